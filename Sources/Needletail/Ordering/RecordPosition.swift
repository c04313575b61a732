import Foundation

/// A place in an order of records: where a page ended, and the next one begins.
///
/// It names the last record by its value and its place among equal values, so it stays good when records are added, changed or
/// deleted, that record included: the next page begins with what comes behind it then. It can be kept as text.
/// ```swift
/// let first = try photos.records(orderBy: "taken", limit: 20)
/// while let record = try first.next() { show(record) }
/// let second = try photos.records(orderBy: "taken", after: first.position, limit: 20)
/// ```
public struct RecordPosition: Sendable, Hashable, Codable, LosslessStringConvertible {
    /// The collection's number.
    var table: UInt32
    /// The field that orders; `nil` for the order of arrival.
    var field: String?
    var isAscending: Bool
    /// The place of the value: ``SortEntry/rank``.
    var rank: UInt8
    /// A value without text, as ``SortEntry/number`` of an ascending order.
    var number: UInt64
    /// A value that is text.
    var text: String?
    var slot: UInt32

    init(table: UInt32, field: String?, isAscending: Bool, rank: UInt8, number: UInt64, text: String?, slot: UInt32) {
        self.table = table
        self.field = field
        self.isAscending = isAscending
        self.rank = rank
        self.number = number
        self.text = text
        self.slot = slot
    }

    /// Reads what ``description`` wrote; `nil` for other text.
    public init?(_ description: String) {
        guard let data = Data(base64Encoded: description), let position = try? JSONDecoder().decode(RecordPosition.self, from: data) else { return nil }
        self = position
    }

    /// The position as text without blanks.
    public var description: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self))?.base64EncodedString() ?? ""
    }
}
