// swift-tools-version: 6.2

import PackageDescription

/// Language rules of every target: Swift 6 mode, and the upcoming features that keep imports and existentials explicit.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]

let package = Package(
    name: "Verbatim",
    platforms: [.macOS(.v26)],
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
            exclude: [
                "TurnChoice.swift", "TraceReader.swift", "TurnOutcome.swift", "TraceContents.swift", "Turn.swift",
                "TurnUpdates.swift", "TraceReaderError.swift",
            ],
            swiftSettings: settings
        ),
        .target(name: "MockEngine", dependencies: nio, swiftSettings: settings),
        .executableTarget(
            name: "VerbatimCLI",
            dependencies: [
                "JSONBytes", "MockEngine", "Verbatim",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            exclude: ["Demo", "TraceCommands"],
            swiftSettings: settings
        ),
    ]
)
