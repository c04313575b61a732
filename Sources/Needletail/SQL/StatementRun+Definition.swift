extension StatementRun {
    /// Runs `CREATE COLLECTION`.
    func createCollection(_ create: CreateCollectionStatement) async throws(NeedletailError) -> QueryResult {
        let schema = try schema(of: create)
        do throws(NeedletailError) {
            _ = try await database.createCollection(create.name.content, schema: schema)
        } catch where error.code == .collectionExists && create.ifNotExists {
            return QueryResult(changedCount: 0, collection: create.name.content)
        } catch {
            throw located(error, at: create.name.offset)
        }
        return QueryResult(changedCount: 1, collection: create.name.content)
    }

    private func schema(of create: CreateCollectionStatement) throws(NeedletailError) -> Schema {
        var vector: (name: String, dimension: Int, element: ElementType)?
        var fields: [Field] = []
        for column in create.columns {
            switch column.kind {
            case .vector(let dimension, let element):
                guard vector == nil else { throw failure(.invalidArgument, "a second vector: a collection has one", at: column.name.offset) }
                vector = (column.name.content, dimension, element)
            case .field(let type, let isIndexed):
                fields.append(Field(column.name.content, type, indexed: isIndexed))
            }
        }
        guard let vector else {
            throw failure(.invalidArgument, "a collection needs a vector: add a column such as embedding VECTOR(384)", at: create.columns[0].name.offset)
        }
        var schema = Schema(dimension: vector.dimension, element: vector.element, fields: fields, vectorName: vector.name)
        for setting in create.settings {
            guard Self.folded(setting.name.content) == "metric" else { throw unknownSetting(setting, of: "a collection", among: ["metric"]) }
            let word = try word(setting.value, "the metric")
            guard let metric = Metric(rawValue: word.lowercased()) else {
                throw failure(.invalidArgument, "there is no metric '\(word)': there are " + Metric.allCases.map(\.rawValue).joined(separator: ", "), at: setting.value.offset)
            }
            schema.metric = metric
        }
        return schema
    }

    /// Runs `DROP COLLECTION`.
    func dropCollection(_ drop: DropStatement) async throws(NeedletailError) -> QueryResult {
        let name = drop.collection.content
        do throws(NeedletailError) {
            _ = try collectionToWrite(drop.collection)
            try await database.dropCollection(name)
        } catch where error.code == .unknownCollection && drop.ifExists {
            return QueryResult(changedCount: 0, collection: name)
        } catch {
            throw located(error, at: drop.collection.offset)
        }
        return QueryResult(changedCount: 1, collection: name)
    }

    /// Runs `CREATE INDEX`; one that the collection has is replaced.
    func createIndex(_ create: CreateIndexStatement) async throws(NeedletailError) -> QueryResult {
        let collection = try collectionToWrite(create.collection)
        let description = try indexDescription(create, collection.schema)
        do throws(NeedletailError) {
            try await collection.createIndex(description, threads: options.threads, memoryLimit: options.memoryLimit, progress: options.indexProgress)
        } catch {
            throw located(error, at: create.method?.offset ?? create.collection.offset)
        }
        return QueryResult(changedCount: 1, collection: collection.name)
    }

    /// Runs `DROP INDEX`.
    func dropIndex(_ drop: DropStatement) async throws(NeedletailError) -> QueryResult {
        let collection = try collectionToWrite(drop.collection)
        do throws(NeedletailError) {
            try await collection.dropIndex()
        } catch where error.code == .unknownIndex && drop.ifExists {
            return QueryResult(changedCount: 0, collection: collection.name)
        } catch {
            throw located(error, at: drop.collection.offset)
        }
        return QueryResult(changedCount: 1, collection: collection.name)
    }
}
