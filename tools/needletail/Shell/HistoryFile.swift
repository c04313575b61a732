import CEditLine
import Foundation

/// Where the lines typed are kept from one session to the next. What cannot be read or written is left alone, without a word: a
/// history is a convenience.
struct HistoryFile: Sendable {
    let path: String

    /// The file that the environment asks for: `NEEDLETAIL_HISTORY` names it (and turns it off when empty), else it lies in the XDG
    /// state folder if that is set, else in the home folder.
    init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
        if let named = environment["NEEDLETAIL_HISTORY"] {
            guard !named.isEmpty else { return nil }
            path = named
        } else if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
            path = state + "/needletail/history"
        } else if let home = environment["HOME"], home.hasPrefix("/") {
            path = home + "/.needletail_history"
        } else {
            return nil
        }
    }

    func load(into list: OpaquePointer) {
        _ = nt_history_load(list, path)
    }

    func save(_ list: OpaquePointer) {
        let files = FileManager.default
        if !files.fileExists(atPath: path) {
            let folder = (path as NSString).deletingLastPathComponent
            if !folder.isEmpty { try? files.createDirectory(atPath: folder, withIntermediateDirectories: true) }
            // Statements may hold what is nobody else's business.
            guard files.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]) else { return }
        }
        _ = nt_history_save(list, path)
    }
}
