// swift-tools-version: 6.2

import PackageDescription

/// The settings of the measured package, so that the same code is compiled.
let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (Context.environment["WARNINGS_AS_ERRORS"] == "1" ? [.treatAllWarnings(as: .error)] : [])

/// A package of its own, so that building the proxy does not need the benchmark tool.
///
/// The core's interface is `package`, and no product contains it. Its targets are therefore targets of this package as
/// well; the folders in `MeasuredSources` are links to their sources.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Without its traits: they replace malloc and hook into Swift's runtime.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: [])
    ],
    targets: [
        .target(name: "VerbatimPlatform", path: "MeasuredSources/VerbatimPlatform", swiftSettings: settings),
        .target(name: "VerbatimSchema", path: "MeasuredSources/VerbatimSchema", swiftSettings: settings),
        .target(
            name: "VerbatimJSON", dependencies: ["VerbatimPlatform"], path: "MeasuredSources/VerbatimJSON",
            swiftSettings: settings),
        .target(
            name: "VerbatimSSE", dependencies: ["VerbatimPlatform"], path: "MeasuredSources/VerbatimSSE",
            swiftSettings: settings),
        .target(
            name: "VerbatimAPI",
            dependencies: ["VerbatimJSON", "VerbatimPlatform", "VerbatimSSE", "VerbatimSchema"],
            path: "MeasuredSources/VerbatimAPI",
            swiftSettings: settings),
        .target(
            name: "VerbatimTrace", dependencies: ["VerbatimJSON", "VerbatimSchema", "VerbatimPlatform"],
            path: "MeasuredSources/VerbatimTrace",
            swiftSettings: settings),
        .target(
            name: "BenchmarkCases",
            dependencies: ["VerbatimSSE", "VerbatimJSON", "VerbatimTrace", "VerbatimAPI", "VerbatimSchema"],
            path: "BenchmarkCases", swiftSettings: settings),
        .executableTarget(
            name: "InstructionCounts", dependencies: ["BenchmarkCases", "VerbatimPlatform"], path: "InstructionCounts",
            swiftSettings: settings),
        // The plugin finds benchmarks by their parent folder, which must be named Benchmarks.
        .executableTarget(
            name: "TimeBenchmarks",
            dependencies: ["BenchmarkCases", .product(name: "Benchmark", package: "benchmark")],
            path: "TimeBenchmarks",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
