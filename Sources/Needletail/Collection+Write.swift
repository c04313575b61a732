import Foundation
import NeedletailStorage

extension Collection {
    /// Inserts one record.
    ///
    /// - Throws: `duplicateID`, `dimensionMismatch`, `invalidVector`, `zeroVector`, `unknownField`, `typeMismatch`; nothing is written then.
    public func insert(_ record: Record, durability: Durability = .full) async throws(NeedletailError) {
        _ = try await insert([record], onConflict: .fail, durability: durability)
    }

    /// Inserts records in one transaction: all or none.
    ///
    /// - Returns: How many were written: fewer than given where ``ConflictPolicy/skip`` passed some over, or where
    ///   ``ConflictPolicy/replace`` met an id twice, of which the last counts.
    /// - Throws: As ``insert(_:durability:)``, with the record's position in ``NeedletailError/row``.
    @discardableResult
    public func insert(
        _ records: [Record], onConflict: ConflictPolicy = .fail, durability: Durability = .full
    ) async throws(NeedletailError) -> Int {
        try await append(try BatchEncoder(schema: schema).encode(records), onConflict: onConflict, durability: durability)
    }

    /// Inserts a batch given by column in one transaction: all or none.
    ///
    /// - Returns: How many were written.
    /// - Throws: As ``insert(_:durability:)``.
    @discardableResult
    public func insert(
        _ batch: RecordBatch, onConflict: ConflictPolicy = .fail, durability: Durability = .full
    ) async throws(NeedletailError) -> Int {
        try await append(try BatchEncoder(schema: schema).encode(batch), onConflict: onConflict, durability: durability)
    }

    /// Inserts a record, or replaces the one with its id.
    public func upsert(_ record: Record, durability: Durability = .full) async throws(NeedletailError) {
        _ = try await insert([record], onConflict: .replace, durability: durability)
    }

    /// Deletes a record. Returns whether there was one.
    @discardableResult
    public func delete(_ id: RecordID, durability: Durability = .full) async throws(NeedletailError) -> Bool {
        try await delete([id], durability: durability) == 1
    }

    /// Deletes records in one transaction. Returns how many there were.
    @discardableResult
    public func delete(_ ids: [RecordID], durability: Durability = .full) async throws(NeedletailError) -> Int {
        let keys = ids.map(\.key)
        return try await write(durability, count: keys.count) { table throws(StorageError) in
            var count = 0
            for key in keys where try table.delete(key) { count += 1 }
            return count
        }
    }

    /// Deletes the records that match a filter when the call begins. Returns how many.
    @discardableResult
    public func delete(where filter: Filter, durability: Durability = .full) async throws(NeedletailError) -> Int {
        try await delete(ids(where: filter), durability: durability)
    }

    /// Sets fields of a record; those not named stay as they are, `.null` clears one.
    ///
    /// - Returns: Whether there is a record with this id.
    /// - Throws: `unknownField`, `typeMismatch`.
    @discardableResult
    public func update(_ id: RecordID, set fields: [String: Value], durability: Durability = .full) async throws(NeedletailError) -> Bool {
        try await update([id], set: fields, durability: durability) == 1
    }

    /// Sets fields of the records that match a filter when the call begins. Returns how many.
    @discardableResult
    public func update(where filter: Filter, set fields: [String: Value], durability: Durability = .full) async throws(NeedletailError) -> Int {
        try await update(ids(where: filter), set: fields, durability: durability)
    }

    /// Replaces the JSON document of a record, or removes it. Returns whether there is a record with this id.
    ///
    /// - Throws: `invalidArgument` where it is not JSON.
    @discardableResult
    public func setPayload(_ payload: Data?, of id: RecordID, durability: Durability = .full) async throws(NeedletailError) -> Bool {
        if let payload { try BatchEncoder.requireJSON(payload, of: id) }
        let key = id.key
        return try await write(durability, count: 1) { table throws(StorageError) in try table.setPayload(key, payload) }
    }

    private func update(_ ids: [RecordID], set fields: [String: Value], durability: Durability) async throws(NeedletailError) -> Int {
        var cells: [Int: CellValue] = [:]
        for (name, value) in fields {
            let position = try schema.position(of: name)
            cells[position] = try value.cell(for: schema.fields[position])
        }
        let (keys, set) = (ids.map(\.key), cells)
        return try await write(durability, count: keys.count) { table throws(StorageError) in
            var count = 0
            for key in keys where try table.update(key, set) { count += 1 }
            return count
        }
    }

    private func append(_ batch: EncodedBatch, onConflict: ConflictPolicy, durability: Durability) async throws(NeedletailError) -> Int {
        guard batch.count > 0 else { return 0 }
        let policy: OnDuplicate
        switch onConflict {
        case .fail: policy = .fail
        case .replace: policy = .replace
        case .skip: policy = .skip
        }
        return try await write(durability, count: batch.count) { table throws(StorageError) in try batch.append(to: table, policy) }
    }
}
