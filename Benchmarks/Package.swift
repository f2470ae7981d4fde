// swift-tools-version: 6.2

import PackageDescription

/// Those of the package that is measured, so that the same code is compiled as there.
let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (Context.environment["WARNINGS_AS_ERRORS"] == "1" ? [.treatAllWarnings(as: .error)] : [])

/// A package of its own, so that nobody who builds the proxy needs what measures it.
///
/// The core's interface is `package` and no product has it, so its targets are targets here as well: the folders in
/// `Core` are links to the sources.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Without its traits, which bring libraries that stand in for malloc and for Swift's runtime.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: [])
    ],
    targets: [
        .target(name: "VerbatimPlatform", path: "Core/VerbatimPlatform", swiftSettings: settings),
        .target(
            name: "VerbatimJSON", dependencies: ["VerbatimPlatform"], path: "Core/VerbatimJSON",
            swiftSettings: settings),
        .target(
            name: "VerbatimSSE", dependencies: ["VerbatimPlatform"], path: "Core/VerbatimSSE", swiftSettings: settings),
        .target(
            name: "VerbatimAPI", dependencies: ["VerbatimJSON", "VerbatimSSE"], path: "Core/VerbatimAPI",
            swiftSettings: settings),
        .target(
            name: "VerbatimTrace", dependencies: ["VerbatimJSON", "VerbatimPlatform"], path: "Core/VerbatimTrace",
            swiftSettings: settings),
        .target(
            name: "CoreWork", dependencies: ["VerbatimSSE", "VerbatimJSON", "VerbatimTrace", "VerbatimAPI"],
            swiftSettings: settings),
        .executableTarget(
            name: "core-counts", dependencies: ["CoreWork", "VerbatimPlatform"], path: "Sources/CoreCounts",
            swiftSettings: settings),
        .executableTarget(
            name: "CoreBenchmarks",
            dependencies: ["CoreWork", .product(name: "Benchmark", package: "benchmark")],
            path: "Benchmarks/CoreBenchmarks",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
