// swift-tools-version: 6.2

import PackageDescription

/// Language rules of every target: Swift 6 mode, and the upcoming features that keep imports and existentials explicit.
/// `.ci/run` also makes warnings errors; a user's build must not fail on the warnings of a newer compiler.
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

/// What is fuzzed is tested as well: the properties are a test target, or with `FUZZING=1` libFuzzer's
/// (`scripts/fuzz`).
let fuzzedParts: [Target.Dependency] =
    nio + [
        "VerbatimSSE", "VerbatimHTTP", "VerbatimJSON", "VerbatimPlatform", "VerbatimProxy", "TestSupport",
        "VerbatimTrace", "Verbatim", "VerbatimAPI",
    ]
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
        .library(name: "VerbatimService", targets: ["VerbatimService"]),
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
        .target(name: "VerbatimPlatform", swiftSettings: settings),
        .target(name: "VerbatimSchema", swiftSettings: settings),
        .target(name: "VerbatimJSON", dependencies: ["VerbatimPlatform"], swiftSettings: settings),
        .target(name: "VerbatimSSE", dependencies: ["VerbatimPlatform"], swiftSettings: settings),
        .target(
            name: "VerbatimAPI",
            dependencies: ["VerbatimJSON", "VerbatimPlatform", "VerbatimSSE", "VerbatimSchema"],
            swiftSettings: settings),
        .target(
            name: "VerbatimTrace", dependencies: ["VerbatimJSON", "VerbatimSchema", "VerbatimPlatform"],
            swiftSettings: settings),
        .target(
            name: "VerbatimRows",
            dependencies: ["VerbatimJSON", "VerbatimPlatform", "VerbatimSchema", "VerbatimTrace"],
            swiftSettings: settings),
        .target(
            name: "VerbatimSessions",
            dependencies: ["VerbatimJSON", "VerbatimPlatform", "VerbatimSchema", "VerbatimTrace"],
            swiftSettings: settings),
        .target(
            name: "VerbatimHTTP",
            dependencies: nio + [
                "VerbatimPlatform",
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "VerbatimAdmin",
            dependencies: [
                "VerbatimHTTP", "VerbatimJSON", "VerbatimPlatform", "VerbatimSessions", "VerbatimTrace",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .target(
            name: "VerbatimProxy",
            dependencies: nio + [
                "VerbatimAPI", "VerbatimHTTP", "VerbatimJSON", "VerbatimPlatform", "VerbatimSSE", "VerbatimSchema",
                "VerbatimTrace",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Verbatim",
            dependencies: [
                "VerbatimAPI", "VerbatimHTTP", "VerbatimJSON", "VerbatimPlatform", "VerbatimProxy", "VerbatimSchema",
                "VerbatimTrace",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "VerbatimTesting",
            dependencies: nio + [
                "VerbatimAPI", "VerbatimJSON", "VerbatimPlatform", "VerbatimSSE", "VerbatimSchema", "VerbatimTrace",
            ],
            swiftSettings: settings),
        // The proxy as a service of swift-service-lifecycle.
        .target(
            name: "VerbatimService",
            dependencies: [
                "Verbatim", .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .systemLibrary(name: "CMalloc"),
        .executableTarget(
            name: "VerbatimCLI",
            dependencies: [
                "CMalloc", "VerbatimPlatform", "VerbatimSSE", "VerbatimJSON", "VerbatimAPI", "VerbatimTesting",
                "VerbatimTrace", "VerbatimRows", "Verbatim",
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
                "VerbatimPlatform",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Sources/VerbatimLoad",
            swiftSettings: settings
        ),
        .target(
            name: "TestSupport",
            dependencies: nio + [
                "VerbatimTesting", "VerbatimSchema", "VerbatimAPI", "VerbatimPlatform",
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "Tests/TestSupport", swiftSettings: settings),
        .testTarget(
            name: "VerbatimJSONTests", dependencies: ["VerbatimJSON", "VerbatimPlatform", "TestSupport"],
            swiftSettings: settings),
        .testTarget(name: "VerbatimSSETests", dependencies: ["VerbatimSSE", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "VerbatimAPITests",
            dependencies: [
                "VerbatimSSE", "VerbatimJSON", "VerbatimPlatform", "TestSupport", "VerbatimAPI", "VerbatimSchema",
                "VerbatimTesting",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimTraceTests",
            dependencies: [
                "VerbatimJSON", "TestSupport", "VerbatimTesting", "VerbatimTrace", "VerbatimSchema", "VerbatimPlatform",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimRowsTests",
            dependencies: ["VerbatimRows", "VerbatimTrace", "VerbatimSchema", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimSessionsTests",
            dependencies: ["VerbatimSessions", "VerbatimPlatform", "VerbatimTesting", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimHTTPTests",
            dependencies: nio + [
                "VerbatimHTTP", "VerbatimPlatform", "VerbatimTesting", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimProxyTests",
            dependencies: nio + [
                "VerbatimHTTP",
                "VerbatimJSON", "VerbatimTesting", "VerbatimProxy", "TestSupport", "VerbatimTrace",
                "VerbatimAPI", "VerbatimSchema", "VerbatimPlatform",
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimTests",
            dependencies: [
                "VerbatimJSON", "TestSupport", "VerbatimAPI", "VerbatimTrace", "Verbatim", "VerbatimService",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimCLITests",
            dependencies: [
                "Verbatim", "VerbatimCLI", "VerbatimTesting", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimLoadTests",
            dependencies: ["TestSupport", "verbatim-load", .product(name: "NIOEmbedded", package: "swift-nio")] + nio,
            swiftSettings: settings),
        .testTarget(
            name: "VerbatimTestingTests", dependencies: ["VerbatimTesting", "TestSupport"], swiftSettings: settings),
        fuzzing,
    ]
)

// `ONLY_TESTS=VerbatimJSONTests,VerbatimSSETests swift test` builds and runs these test targets alone.
if let names = Context.environment["ONLY_TESTS"]?.split(separator: ",").map(String.init) {
    package.targets.removeAll { $0.type == .test && !names.contains($0.name) }
}
