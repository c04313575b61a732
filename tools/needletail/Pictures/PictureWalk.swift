#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The pictures in a folder and in the folders below it.
///
/// Links are followed, each folder is visited once however many links lead to it. Hidden files and folders (with a
/// leading dot) are passed over. The order is that of the paths' bytes, folder by folder: the same on every run.
package struct PictureWalk: Sendable {
    package private(set) var pictures: [PictureFile] = []
    /// What could not be looked at, with the reason.
    package private(set) var problems: [InputError] = []

    /// Endings taken for pictures, in lower case. What is inside is judged by its content, not by its name.
    package static let pathExtensions: Set<String> = ["jpg", "jpeg", "jpe", "jfif", "png", "webp"]

    private struct FolderIdentity: Hashable {
        var device: UInt64
        var number: UInt64
    }

    private var visited: Set<FolderIdentity> = []

    /// Walks through `folder`.
    ///
    /// - Throws: ``InputError`` where `folder` is missing, unreadable, or no folder.
    package init(folder: String) throws(InputError) {
        guard let root = Path.absolute(folder) else { throw InputError.system(folder, "cannot be opened", errno) }
        var status = stat()
        guard stat(root, &status) == 0 else { throw InputError.system(folder, "cannot be opened", errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw InputError(folder, status: .io, "is no folder; name the folder that the picture lies in")
        }
        guard access(root, R_OK | X_OK) == 0 else { throw InputError.system(folder, "cannot be read", errno) }
        visit(root, relative: "", status: status)
    }

    private mutating func visit(_ path: String, relative: String, status: stat) {
        let identity = FolderIdentity(device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(status.st_ino))
        guard visited.insert(identity).inserted else { return }
        guard let directory = opendir(path) else {
            problems.append(.system(path, "the folder cannot be read", errno))
            return
        }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: pointer.pointee)) { cString in
                    String(validatingCString: cString) ?? { () -> String? in
                        problems.append(InputError(path + "/" + String(cString: cString), "the name is not UTF-8; rename the file"))
                        return nil
                    }()
                }
            }
            if let name, !name.hasPrefix(".") { names.append(name) }
        }
        closedir(directory)
        names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for name in names { look(at: name, in: path, relative: relative) }
    }

    private mutating func look(at name: String, in folder: String, relative: String) {
        let path = folder == "/" ? "/" + name : folder + "/" + name
        let relative = relative.isEmpty ? name : relative + "/" + name
        let isPicture = Self.pathExtensions.contains(Path.pathExtension(of: name))
        var status = stat()
        guard stat(path, &status) == 0 else {
            // A link to nothing matters only where a picture was meant.
            if isPicture { problems.append(.system(path, "cannot be opened", errno)) }
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: visit(path, relative: relative, status: status)
        case S_IFREG where isPicture:
            pictures.append(
                PictureFile(path: path, relativePath: relative, byteCount: Int(status.st_size), modified: Self.microseconds(status)))
        default: break
        }
    }

    private static func microseconds(_ status: stat) -> Int64 {
        #if canImport(Darwin)
        let time = status.st_mtimespec
        #else
        let time = status.st_mtim
        #endif
        // Some file systems keep any 64-bit number of seconds, which may be nonsense.
        let (whole, isFar) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000)
        let (sum, isTooFar) = whole.addingReportingOverflow(Int64(time.tv_nsec) / 1000)
        return isFar || isTooFar ? (time.tv_sec < 0 ? .min : .max) : sum
    }
}
