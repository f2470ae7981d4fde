import Benchmark
import BenchmarkCases

let benchmarks: @Sendable () -> Void = {
    for one in BenchmarkCase.all {
        Benchmark(
            one.name,
            configuration: .init(
                metrics: [.cpuTotal, .wallClock, .throughput, .instructions, .peakMemoryResident],
                warmupIterations: 1,
                scalingFactor: one.repetitions >= 100 ? .kilo : .one,
                maxDuration: .seconds(2),
                maxIterations: 10_000)
        ) { benchmark, work in
            blackHole(work.run(benchmark.scaledIterations.count))
        } setup: {
            one.prepare()
        }
    }
}
