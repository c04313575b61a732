/// What is wrong with a file that was to be read: which file, where in it, why, and what to do.
package struct InputError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The place of the culprit inside its file.
    package enum Place: Sendable, Hashable {
        /// The file as a whole.
        case file
        /// A line of text, counted from 1.
        case line(Int)
        /// A row of vectors, counted from 0 as record ids are, and its offset in bytes.
        case row(Int, offset: Int)
        /// An offset in bytes.
        case offset(Int)
    }

    package var status: ExitStatus
    package var path: String
    package var place: Place
    /// Culprit and remedy, without the place.
    package var message: String

    package init(_ path: String, _ place: Place, status: ExitStatus = .badData, _ message: String) {
        self.status = status
        self.path = path
        self.place = place
        self.message = message
    }

    /// What is wrong with the file as a whole.
    package init(_ path: String, status: ExitStatus = .badData, _ message: String) {
        self.init(path, .file, status: status, message)
    }

    package var description: String {
        // A name with line ends must not look like several messages.
        let path = TextWidth.printable(path)
        return switch place {
        case .file: "\(path): \(message)"
        case .line(let line): "\(path):\(line): \(message)"
        case .row(let row, let offset): "\(path): row \(row) (byte \(offset)): \(message)"
        case .offset(let offset): "\(path): byte \(offset): \(message)"
        }
    }
}
