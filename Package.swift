// swift-tools-version: 6.1
import PackageDescription

// Layers, bottom to top; a target imports only what stands above it in this list.
let package = Package(
    name: "needletail",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Needletail", targets: ["Needletail"]),
        .library(name: "NeedletailVision", targets: ["NeedletailVision"]),
        .executable(name: "needletail", targets: ["NeedletailTool"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    ],
    targets: [
        // C libraries of the platform.
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"]), .brew(["lmdb"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"]), .brew(["jpeg-turbo"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"]), .brew(["libpng"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"]), .brew(["webp"])]),
        // The shell's line editor; Apple's systems bring it along.
        .systemLibrary(name: "CEditLine", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),

        // The SIMD inner loops: distances, matrix products, convolutions, CRC.
        .target(name: "CNeedletailKernels"),
        // Picture decoding behind a border that neither longjmps nor aborts.
        .target(name: "CNeedletailCodecs", dependencies: ["CJPEG", "CPNG", "CWebP"]),

        .target(name: "NeedletailStorage", dependencies: ["CLMDB", "CNeedletailKernels"]),
        .target(name: "NeedletailIndex", dependencies: ["CNeedletailKernels", "NeedletailStorage"]),
        .target(name: "Needletail", dependencies: ["CNeedletailKernels", "NeedletailStorage", "NeedletailIndex"]),
        .target(
            name: "NeedletailVision",
            dependencies: ["CNeedletailKernels", "CNeedletailCodecs"],
            resources: [.copy("Resources/needletail-mini")]
        ),
        .executableTarget(
            name: "NeedletailTool",
            dependencies: [
                "CEditLine", "Needletail", "NeedletailVision",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "tools/needletail"
        ),

        .target(name: "NeedletailTestSupport", dependencies: ["Needletail"], path: "Tests/NeedletailTestSupport"),
        .testTarget(name: "KernelTests", dependencies: ["CNeedletailKernels", "NeedletailTestSupport"]),
        .testTarget(name: "NeedletailStorageTests", dependencies: ["NeedletailStorage", "NeedletailTestSupport"]),
        .testTarget(name: "NeedletailIndexTests", dependencies: ["NeedletailIndex", "NeedletailTestSupport"]),
        .testTarget(name: "NeedletailVisionTests", dependencies: ["NeedletailVision", "NeedletailTestSupport"]),
        .testTarget(name: "NeedletailTests", dependencies: ["Needletail", "NeedletailTestSupport"]),
        .testTarget(name: "NeedletailToolTests", dependencies: ["NeedletailTool", "NeedletailTestSupport"]),
        .testTarget(name: "DocumentationTests", dependencies: ["Needletail", "NeedletailVision", "NeedletailTestSupport"]),
        // The other process of the tests that need one; what it writes is known to the tests, which import it.
        .executableTarget(
            name: "CrashChild", dependencies: ["NeedletailStorage", "NeedletailTestSupport"], path: "Tests/CrashTests/Child"),
        .testTarget(
            name: "CrashTests", dependencies: ["NeedletailStorage", "NeedletailTestSupport", "CrashChild"], exclude: ["Child"]),
        .testTarget(name: "FormatTests", dependencies: ["Needletail", "NeedletailStorage", "NeedletailTestSupport"], exclude: ["Golden"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)
