// swift-tools-version: 6.2

import PackageDescription

/// Language rules of every target: Swift 6 mode, and the upcoming features that keep imports and existentials explicit.
/// `.ci/run` also makes warnings errors; with a compiler of tomorrow they should not keep anybody from building.
let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (Context.environment["WARNINGS_AS_ERRORS"] == "1" ? [.treatAllWarnings(as: .error)] : [])

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]

/// What is fuzzed is tested as well: the properties are a test target, or with `FUZZING=1` libFuzzer's (`scripts/fuzz`).
let fuzzedParts: [Target.Dependency] =
    nio + ["EventStream", "JSONBytes", "ProxyHTTP", "TestSupport", "Trace", "Verbatim", "Wire"]
let fuzzing: Target =
    Context.environment["FUZZING"] == "1"
    ? .executableTarget(
        name: "Fuzz", dependencies: fuzzedParts, path: "Tests/FuzzTests",
        exclude: ["CorpusTests.swift", "Corpus", "fuzz.dict"],
        swiftSettings: settings)
    : .testTarget(
        name: "FuzzTests", dependencies: fuzzedParts, exclude: ["FuzzerMain.swift", "Corpus", "fuzz.dict"],
        swiftSettings: settings)

let package = Package(
    name: "Verbatim",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Verbatim", targets: ["Verbatim"]),
        .executable(name: "verbatim", targets: ["VerbatimCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(name: "JSONBytes", swiftSettings: settings),
        .target(name: "EventStream", swiftSettings: settings),
        .target(name: "Wire", dependencies: ["JSONBytes", "EventStream"], swiftSettings: settings),
        .target(name: "Trace", dependencies: ["JSONBytes"], swiftSettings: settings),
        .target(
            name: "ProxyHTTP",
            dependencies: nio + [
                "EventStream", "JSONBytes", "Trace", "Wire",
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Verbatim",
            dependencies: [
                "JSONBytes", "ProxyHTTP", "Trace", "Wire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(name: "MockEngine", dependencies: nio, swiftSettings: settings),
        .systemLibrary(name: "CMalloc"),
        .executableTarget(
            name: "VerbatimCLI",
            dependencies: [
                "CMalloc", "EventStream", "JSONBytes", "MockEngine", "Trace", "Verbatim",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        // A tool of the tests and benchmarks; no product.
        .executableTarget(
            name: "verbatim-load",
            dependencies: nio + [
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Sources/LoadTool",
            swiftSettings: settings
        ),
        .target(
            name: "TestSupport",
            dependencies: nio + ["MockEngine", .product(name: "NIOSSL", package: "swift-nio-ssl")],
            path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(name: "JSONBytesTests", dependencies: ["JSONBytes", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "EventStreamTests", dependencies: ["EventStream", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "WireTests", dependencies: ["EventStream", "JSONBytes", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(name: "TraceTests", dependencies: ["JSONBytes", "TestSupport", "Trace"], swiftSettings: settings),
        .testTarget(
            name: "ProxyHTTPTests",
            dependencies: nio + [
                "JSONBytes", "MockEngine", "ProxyHTTP", "TestSupport", "Trace", "Verbatim", "Wire",
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimTests",
            dependencies: [
                "JSONBytes", "TestSupport", "Trace", "Verbatim", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimCLITests",
            dependencies: [
                "Verbatim", "VerbatimCLI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "LoadToolTests",
            dependencies: ["TestSupport", "verbatim-load", .product(name: "NIOEmbedded", package: "swift-nio")] + nio,
            swiftSettings: settings),
        .testTarget(name: "MockEngineTests", dependencies: ["MockEngine", "TestSupport"], swiftSettings: settings),
        fuzzing,
    ]
)
