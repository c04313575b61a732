extension StatementRun {
    /// Runs `INSERT`: all rows or none.
    mutating func insert(_ insert: InsertStatement) async throws(NeedletailError) -> QueryResult {
        let collection = try collectionToWrite(insert.collection)
        let targets = try targets(of: insert, collection.schema)
        var records: [Record] = []
        records.reserveCapacity(insert.rows.count)
        for (position, row) in insert.rows.enumerated() {
            if position % 256 == 0 { try checkCancellation() }
            for operand in row { try await resolveImage(operand, of: collection) }
            records.append(try record(row, targets, of: collection))
        }
        let count: Int
        do throws(NeedletailError) {
            count = try await collection.insert(records, onConflict: insert.onConflict, durability: options.durability)
        } catch {
            // The cells have been checked: what is left is the id, or the vector.
            guard let row = error.row, insert.rows.indices.contains(row) else { throw located(error, at: insert.collection.offset) }
            let column = targets.firstIndex(of: error.code == .duplicateID ? .id : .vector) ?? 0
            throw located(error, at: insert.rows[row][column].offset)
        }
        return QueryResult(changedCount: count, collection: collection.name)
    }

    /// Runs `UPDATE`.
    mutating func update(_ update: UpdateStatement) async throws(NeedletailError) -> QueryResult {
        let collection = try collectionToWrite(update.collection)
        var fields: [String: Value] = [:]
        for assignment in update.assignments {
            let name = assignment.field
            guard name.content != "id", name.content != collection.schema.vectorName else {
                throw failure(.invalidArgument, "UPDATE sets fields: INSERT OR REPLACE gives a record another \(name.content == "id" ? "id" : "vector")", at: name.offset)
            }
            let field = collection.schema.fields[try field(name, collection.schema)]
            fields[field.name] = try fieldValue(assignment.value, field, collection)
        }
        let changes = fields
        let filter = try filter(update.condition, of: collection) ?? .and([])
        do throws(NeedletailError) {
            let count = try await collection.update(where: filter, set: changes, durability: options.durability)
            return QueryResult(changedCount: count, collection: collection.name)
        } catch {
            throw try checking(update.condition, of: collection, error)
        }
    }

    /// Runs `DELETE`.
    func delete(_ delete: DeleteStatement) async throws(NeedletailError) -> QueryResult {
        let collection = try collectionToWrite(delete.collection)
        let filter = try filter(delete.condition, of: collection) ?? .and([])
        do throws(NeedletailError) {
            let count = try await collection.delete(where: filter, durability: options.durability)
            return QueryResult(changedCount: count, collection: collection.name)
        } catch {
            throw try checking(delete.condition, of: collection, error)
        }
    }
}

// MARK: - Rows

extension StatementRun {
    /// What a column of `INSERT` fills.
    private enum Target: Equatable {
        case id, vector
        case field(Field)
    }

    private func targets(of insert: InsertStatement, _ schema: Schema) throws(NeedletailError) -> [Target] {
        var targets: [Target] = []
        for column in insert.columns {
            switch column.content {
            case "id": targets.append(.id)
            case schema.vectorName: targets.append(.vector)
            default:
                guard let field = schema.field(column.content) else {
                    throw unknownField(column.content, among: ["id", schema.vectorName] + schema.fields.map(\.name), at: column.offset)
                }
                targets.append(.field(field))
            }
        }
        guard targets.contains(.id) else { throw failure(.invalidArgument, "a record needs an id: name the column id", at: insert.columns[0].offset) }
        guard targets.contains(.vector) else {
            throw failure(.invalidArgument, "a record needs its vector: name the column \(Statement.name(schema.vectorName))", at: insert.columns[0].offset)
        }
        return targets
    }

    private func record(_ row: [Operand], _ targets: [Target], of collection: Collection) throws(NeedletailError) -> Record {
        var record = Record(id: 0, vector: [])
        for (operand, target) in zip(row, targets) {
            switch target {
            case .id: record.id = try id(operand)
            case .vector:
                let vector = try vector(operand, of: collection)
                guard vector.count == collection.schema.dimension else {
                    var error = failure(
                        .dimensionMismatch,
                        "the vector has \(NumberText.counted(vector.count, "component")), the dimension of collection '\(collection.name)' is \(collection.schema.dimension)",
                        at: operand.offset)
                    error.expected = collection.schema.dimension
                    error.actual = vector.count
                    throw error
                }
                record.vector = vector
            case .field(let field): record.fields[field.name] = try fieldValue(operand, field, collection)
            }
        }
        return record
    }

    /// A value for a field. A date in ISO 8601 is a timestamp, as in a filter.
    private func fieldValue(_ operand: Operand, _ field: Field, _ collection: Collection) throws(NeedletailError) -> Value {
        guard case .value(let value) = try value(operand, of: collection) else {
            throw failure(.typeMismatch, "the field '\(field.name)' is of type \(field.type.rawValue): a vector is not", at: operand.offset)
        }
        if field.type == .timestamp, case .string(let text) = value {
            guard let timestamp = Timestamp(iso8601: text) else {
                throw failure(.typeMismatch, "'\(text)' is no date and time in ISO 8601, such as '2024-01-31' or '2024-01-31T12:00:00Z'", at: operand.offset)
            }
            return .timestamp(timestamp)
        }
        try pointing(at: operand.offset) { () throws(NeedletailError) in _ = try value.cell(for: field) }
        return value
    }
}
