import ArgumentParser
import Foundation
import Needletail

/// The two arguments that most commands begin with.
struct CollectionArguments: ParsableArguments {
    @Argument(help: "The database file.", completion: .file(extensions: ["ntl"]))
    var database: String

    @Argument(help: "The collection in it.")
    var collection: String
}

/// `--field NAME:TYPE[:indexed]`.
package struct FieldOption: ExpressibleByArgument, Sendable, Hashable {
    package var field: Field

    package init?(argument: String) {
        var parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        let isIndexed = parts.last == "indexed" && parts.count > 2
        if isIndexed { parts.removeLast() }
        guard parts.count >= 2, let type = FieldType(name: parts.removeLast()) else { return nil }
        let name = parts.joined(separator: ":")
        guard !name.isEmpty else { return nil }
        field = Field(name, type, indexed: isIndexed)
    }

    static let help: ArgumentHelp = ArgumentHelp(
        "A metadata field: bool, int, double, timestamp, string or strings. May be repeated.", valueName: "name:type[:indexed]")
}

extension Metric: ExpressibleByArgument {}
extension ElementType: ExpressibleByArgument {}

/// `--vector '[0.1, 0.2]'`, or `--vector @FILE` with the same text in a file.
package struct VectorOption: ExpressibleByArgument, Sendable, Hashable {
    package var text: String

    package init?(argument: String) { text = argument }

    /// The components.
    package func components() throws -> [Float] {
        var text = text
        var source = "--vector"
        if text.hasPrefix("@") {
            source = String(text.dropFirst())
            let file = try MappedFile(path: source)
            text = withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
        }
        do {
            guard case .numbers(let numbers) = try JSONCursor.value(of: text) else {
                throw ToolFailure(.usage, "\(source): not a list of numbers; write it as '[0.1, 0.2, 0.3]'")
            }
            return numbers
        } catch let error as JSONSyntaxError {
            throw ToolFailure(.usage, "\(source): \(error.message) (at byte \(error.offset)); write a list of numbers as '[0.1, 0.2, 0.3]'")
        }
    }
}

extension Database {
    /// Opens a file that must exist, and says how one is made if it does not.
    static func existing(_ path: String, mode: Mode) throws -> Database {
        guard Path.exists(path) else {
            throw ToolFailure(.io, "\(path): no such file; 'needletail load' and 'needletail images' make a database")
        }
        return try Database(path: path, mode: mode)
    }

    /// Takes back the file at `path`, which the command made and could not put anything into.
    func discard(_ path: String) {
        close()
        for path in [path, path + "-lock"] { try? FileManager.default.removeItem(atPath: path) }
    }
}
