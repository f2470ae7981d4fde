import CoreWork
import VerbatimPlatform

// What `scripts/bench-core` runs under callgrind.
//
//     core-counts                 every case: name, bytes, events, repetitions
//     core-counts NAME TIMES      does a case so often; what it has put out comes last

let arguments = CommandLine.arguments.dropFirst()
if arguments.isEmpty {
    for one in CoreCase.all {
        print(one.name, one.prepare().bytes, one.events, one.repetitions, separator: "\t")
    }
} else if let name = arguments.first, let one = CoreCase.named(name), let times = arguments.last.flatMap({ Int($0) }) {
    let first = CoreCase.all.first { $0.family == one.family } ?? one
    _ = first.prepare().run(1)
    print(one.prepare().run(times))
} else {
    let message = "error: no such case; without arguments core-counts lists them\n"
    write(STDERR_FILENO, message, message.utf8.count)
    exit(64)
}
