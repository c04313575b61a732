import Foundation

/// Finds the pictures, models and vectors that large tests need. They are not part of the repository: a test
/// that needs them is enabled only where they are (`.enabled(if: SharedData.exists("vectors"), SharedData.absent)`).
public enum SharedData {
    /// Why a test was skipped.
    public static let absent: Comment = "needs the shared test data: a folder `shared` beside the checkout, or NEEDLETAIL_SHARED"

    public typealias Comment = String

    /// The folder, if there is one: `$NEEDLETAIL_SHARED`, else `shared` beside the checkout.
    public static let folder: URL? = {
        let candidate: URL
        if let path = ProcessInfo.processInfo.environment["NEEDLETAIL_SHARED"] {
            candidate = URL(fileURLWithPath: path, isDirectory: true)
        } else {
            candidate = URL(fileURLWithPath: #filePath)
                .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("shared", isDirectory: true)
        }
        return FileManager.default.fileExists(atPath: candidate.path) ? candidate : nil
    }()

    /// The file or folder `path` below the shared folder, if it exists.
    public static func url(_ path: String) -> URL? {
        guard let url = folder?.appendingPathComponent(path), FileManager.default.fileExists(atPath: url.path) else { return nil }
        return url
    }

    /// Whether `path` exists below the shared folder.
    public static func exists(_ path: String) -> Bool { url(path) != nil }
}
