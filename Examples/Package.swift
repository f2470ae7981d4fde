// swift-tools-version: 6.2

import PackageDescription

// A package of its own, as a user of the library has it: only its public interface is visible here.
let package = Package(
    name: "Examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "Verbatim", path: "..")],
    targets: [
        .executableTarget(name: "EmbeddedProxy", dependencies: [.product(name: "Verbatim", package: "Verbatim")]),
        .executableTarget(name: "TrainingRows", dependencies: [.product(name: "Verbatim", package: "Verbatim")]),
    ]
)
