#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Small facts about paths.
package enum Path {
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The path from the root, with `.`, `..` and doubled slashes resolved by name. Links stay: they are how a person
    /// refers to the place.
    package static func absolute(_ path: String) -> String? {
        var parts: [Substring] = []
        var full = path
        if !path.hasPrefix("/") {
            guard let current = getcwd(nil, 0) else { return nil }
            defer { free(current) }
            full = String(cString: current) + "/" + path
        }
        for part in full.split(separator: "/") {
            switch part {
            case ".": continue
            case "..": _ = parts.popLast()
            default: parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The path with a `~` at its beginning as the home folder, which elsewhere the user's shell puts in.
    package static func expandingHome(_ path: String) -> String {
        guard path == "~" || path.hasPrefix("~/"), let home = getenv("HOME") else { return path }
        return String(cString: home) + path.dropFirst()
    }

    /// The ending of a path's last component, in lower case and without the dot; empty where there is none.
    package static func pathExtension(of path: String) -> String {
        let name = lastComponent(of: path)
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return name[name.index(after: dot)...].lowercased()
    }

    package static func lastComponent(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
    }
}
