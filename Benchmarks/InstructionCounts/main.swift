import BenchmarkCases
import VerbatimPlatform

// `scripts/bench-core` runs this program under callgrind.
//
//     InstructionCounts                 lists every case: name, bytes, events, repetitions
//     InstructionCounts NAME TIMES      does a case that many times and prints how many bytes it produced

let arguments = CommandLine.arguments.dropFirst()
if arguments.isEmpty {
    for one in BenchmarkCase.all {
        print(one.name, one.prepare().bytes, one.events, one.repetitions, separator: "\t")
    }
} else if let name = arguments.first, let one = BenchmarkCase.named(name),
    let times = arguments.last.flatMap({ Int($0) })
{
    let first = BenchmarkCase.all.first { $0.family == one.family } ?? one
    _ = first.prepare().run(1)
    print(one.prepare().run(times))
} else {
    let message = "error: no such case; without arguments InstructionCounts lists them\n"
    write(STDERR_FILENO, message, message.utf8.count)
    exit(64)
}
