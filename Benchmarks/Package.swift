// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that a program that depends on Needletail never builds or resolves what only benchmarks need.
let package = Package(
    name: "needletail-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "needletail", path: "..")],
    targets: [
        // What the engine is compared with, straight: no layer of ours between.
        .systemLibrary(name: "CBareLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"]), .brew(["lmdb"])]),
        .systemLibrary(name: "CBareBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
        .target(name: "CReadBandwidth"),
        .executableTarget(
            name: "Figures",
            dependencies: [
                "CBareLMDB", "CBareBLAS", "CReadBandwidth",
                .product(name: "Needletail", package: "needletail"),
                .product(name: "NeedletailVision", package: "needletail"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)
