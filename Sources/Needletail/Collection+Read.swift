import Foundation
import NeedletailIndex
import NeedletailStorage

extension Collection {
    /// The number of records.
    public func count() throws(NeedletailError) -> Int { try table().liveCount }

    /// The number of records that match a filter.
    ///
    /// - Complexity: One pass over the columns that the filter names.
    public func count(where filter: Filter) throws(NeedletailError) -> Int {
        try matching(filter, in: table()).count
    }

    /// The record with this id, or `nil`.
    ///
    /// - Parameter fields: Which fields it carries.
    /// - Complexity: Some lookups, whatever the size of the collection.
    public func get(_ id: RecordID, select fields: FieldSelection = .all) throws(NeedletailError) -> Record? {
        let table = try table()
        let positions = try fields.positions(in: schema)
        return try storage { () throws(StorageError) in
            guard let slot = try table.slot(for: id.key) else { return nil }
            return try record(at: slot, id: id, of: table, positions)
        }
    }

    /// The ids of the records that match a filter, in order of arrival.
    public func ids(where filter: Filter) throws(NeedletailError) -> [RecordID] {
        let table = try table()
        let slots = try matching(filter, in: table).slots
        return try storage { () throws(StorageError) in try table.keys(ofSlots: slots) }.map(RecordID.init)
    }

    /// The bytes kept beside a record, such as its thumbnail.
    public func attachment(of id: RecordID) throws(NeedletailError) -> Data? {
        let table = try table()
        return try storage { () throws(StorageError) in
            guard let slot = try table.slot(for: id.key) else { return nil }
            return try table.attachment(ofSlot: slot)
        }
    }

    /// The live records that `filter` lets through.
    func matching(_ filter: Filter, in table: TableSnapshot) throws(NeedletailError) -> SlotBitmap {
        let bound = try BoundFilter(filter, fields: schema.fields.map { ($0.name, $0.type) })
        return try storage { () throws(StorageError) in try FilterProgram(bound, on: table) }.slots()
    }

    func record(at slot: UInt32, id: RecordID, of table: TableSnapshot, _ positions: [Int]) throws(StorageError) -> Record {
        Record(
            id: id, vector: vector(at: slot, of: table), fields: try values(at: slot, of: table, positions),
            payload: try table.payload(ofSlot: slot), attachment: try table.attachment(ofSlot: slot))
    }

    /// The fields at `positions` of a slot that are not null.
    func values(at slot: UInt32, of table: TableSnapshot, _ positions: [Int]) throws(StorageError) -> [String: Value] {
        var values: [String: Value] = [:]
        values.reserveCapacity(positions.count)
        for position in positions {
            let cell = try table.cell(slot: slot, column: position)
            if cell != .null { values[schema.fields[position].name] = Value(cell) }
        }
        return values
    }

    /// A slot's vector as floats.
    func vector(at slot: UInt32, of table: TableSnapshot) -> [Float] {
        let blocks = table.vectors
        let mask = 1 << blocks.blockShift - 1
        // The slot is below `blocks.count`: it came from the same snapshot.
        let row = blocks.pointers[Int(slot) >> blocks.blockShift] + (Int(slot) & mask) * blocks.stride
        return [Float](unsafeUninitializedCapacity: schema.dimension) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            schema.element.indexElement.decode(row, count: schema.dimension, to: base)
            count = schema.dimension
        }
    }
}
