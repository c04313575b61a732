import Foundation

extension ImageEmbedder {
    /// The name of the model that ships with the package.
    package static let builtInName = "needletail-mini"

    /// Loads the model that ships with the package, `needletail-mini`: small, fast and weak. A larger one finds more.
    ///
    /// It is looked for beside the running program (where SwiftPM puts a package's resources), in the resources of the
    /// program's bundle, and in `../share/needletail` from the program, for an installed one.
    ///
    /// - Throws: ``VisionError`` with code `.notFound` if the resources were not copied along with the program.
    public static func builtIn() throws(VisionError) -> ImageEmbedder { try builtIn(in: builtInCandidates()) }

    /// Loads the built-in model from the first of `places` that has it.
    package static func builtIn(in places: [URL]) throws(VisionError) -> ImageEmbedder {
        guard let folder = places.first(where: { FileManager.default.fileExists(atPath: $0.appendingPathComponent("model.safetensors").path) }) else {
            throw VisionError(
                .notFound, "the built-in model \(builtInName) is not beside the program: copy \(bundleNames[0]) from the build folder to \(places.first?.deletingLastPathComponent().deletingLastPathComponent().path ?? "the program's folder"), or name another model",
                path: places.first?.path)
        }
        return try ImageEmbedder(modelAt: folder.path)
    }

    // `Bundle.module` would do this, but ends the program where the resources are missing.
    private static func builtInCandidates() -> [URL] {
        var folders: [URL] = []
        var share: [URL] = []
        if let program = Bundle.main.executableURL?.resolvingSymlinksInPath() {
            folders.append(program.deletingLastPathComponent())
            share.append(program.deletingLastPathComponent().appendingPathComponent("../share/needletail").standardizedFileURL)
        }
        folders.append(Bundle.main.bundleURL)
        let own = Bundle(for: BundleToken.self)   // under a test runner, the bundle with the tests
        for bundle in [Bundle.main, own] {
            if let resources = bundle.resourceURL { folders.append(resources) }
        }
        folders.append(own.bundleURL)
        folders.append(own.bundleURL.deletingLastPathComponent())
        return folders.flatMap { folder in bundleNames.map { folder.appendingPathComponent("\($0)/\(builtInName)") } }
            + share.map { $0.appendingPathComponent(builtInName) }
            + folders.map { $0.appendingPathComponent("\(bundleNames[1])/Contents/Resources/\(builtInName)") }
    }

    /// What SwiftPM calls the folder with this target's resources, on Linux and on Apple's systems.
    private static let bundleNames = ["needletail_NeedletailVision.resources", "needletail_NeedletailVision.bundle"]
}

/// A class of this module, by which its bundle is found.
private final class BundleToken {}
