import NeedletailStorage

/// One run of a statement: its parameters, and the errors that point into its text.
struct StatementRun: Sendable {
    let database: Database
    let text: String
    let parameters: [QueryValue]
    let options: QueryOptions
    /// What is read; by default the newest commit, one and the same for the whole statement.
    var snapshot: Snapshot?
    /// The vectors of pictures, by the place of `image(…)` in the text.
    private var images: [Int: [Float]] = [:]

    init(_ statement: PreparedStatement, _ parameters: [any QueryParameter], _ options: QueryOptions) throws(NeedletailError) {
        database = statement.database
        text = statement.text
        self.options = options
        let expected = statement.parameterCount
        guard parameters.count == expected else {
            throw NeedletailError(
                .invalidArgument,
                "the statement takes \(NumberText.counted(expected, "parameter")), \(parameters.count) \(parameters.count == 1 ? "is" : "are") given",
                expected: expected, actual: parameters.count)
        }
        self.parameters = parameters.map(\.queryValue)
    }

    func checkCancellation() throws(NeedletailError) {
        if Task.isCancelled { throw NeedletailError(.cancelled, "the statement was cancelled") }
    }

    // MARK: Errors

    /// An error that points at a byte of the statement.
    func failure(_ code: NeedletailError.Code, _ message: String, at offset: Int) -> NeedletailError {
        TextDiagnostic.located(NeedletailError(code, message), in: text.utf8, at: offset)
    }

    /// Lets an error of `body` point at a byte of the statement, unless it points at one already.
    func pointing<R>(at offset: Int, _ body: () throws(NeedletailError) -> R) throws(NeedletailError) -> R {
        do throws(NeedletailError) { return try body() } catch { throw located(error, at: offset) }
    }

    /// Lets an error of one of these codes point at a byte of the statement.
    func pointing<R>(
        at offset: Int, whereAbout codes: NeedletailError.Code..., body: () throws(NeedletailError) -> R
    ) throws(NeedletailError) -> R {
        do throws(NeedletailError) { return try body() } catch { throw codes.contains(error.code) ? located(error, at: offset) : error }
    }

    /// The same error, pointing at a byte of the statement, unless it points at one already or is not about the statement.
    func located(_ error: NeedletailError, at offset: Int) -> NeedletailError {
        guard error.position == nil else { return error }
        switch error.code {
        case .notADatabase, .newerFormat, .corrupt, .readOnly, .mapFull, .diskFull, .busy, .io, .closed, .cancelled: return error
        default: return TextDiagnostic.located(error, in: text.utf8, at: offset)
        }
    }

    // MARK: Collections

    /// The collection of this name as a reader sees it: the whole statement reads one commit.
    func collectionToRead(_ name: Name) throws(NeedletailError) -> Collection {
        let snapshot: Snapshot
        if let own = self.snapshot { snapshot = own } else { snapshot = try database.snapshot() }
        return try found(name, in: snapshot) { () throws(NeedletailError) in try snapshot.collection(name.content) }
    }

    /// The collection of this name, to be written.
    func collectionToWrite(_ name: Name) throws(NeedletailError) -> Collection {
        let snapshot = try database.snapshot()
        return try found(name, in: snapshot) { () throws(NeedletailError) in try database.collection(name.content) }
    }

    /// Turns "no such collection" into an error that guesses which one was meant.
    private func found(
        _ name: Name, in snapshot: Snapshot, _ find: () throws(NeedletailError) -> Collection
    ) throws(NeedletailError) -> Collection {
        do throws(NeedletailError) {
            return try find()
        } catch where error.code == .unknownCollection {
            let names = try snapshot.collectionNames()
            let remedy =
                if let guess = TextDiagnostic.nearest(to: name.content, among: names) {
                    "did you mean \(Statement.name(guess))?"
                } else if names.isEmpty {
                    "there is none yet: CREATE COLLECTION makes one"
                } else {
                    "there are: " + names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) others" : "")
                }
            throw failure(.unknownCollection, "there is no collection '\(name.content)'; \(remedy)", at: name.offset)
        }
    }

    // MARK: Values

    /// A literal or the parameter that stands for it; a vector of the query for `record` and `image`.
    func value(_ operand: Operand, of collection: Collection) throws(NeedletailError) -> QueryValue {
        switch operand.content {
        case .value(let value): return .value(value)
        case .vector(let vector): return .vector(vector)
        case .parameter(let number): return parameters[number - 1]
        case .record(let id): return .vector(try vector(ofRecord: id, in: collection))
        case .image:
            guard let vector = images[operand.offset] else {
                throw failure(.invalidArgument, "image(…) takes time: use run or query, which can wait", at: operand.offset)
            }
            return .vector(vector)
        }
    }

    /// A vector, to search by or to store.
    func vector(_ operand: Operand, of collection: Collection) throws(NeedletailError) -> [Float] {
        switch try value(operand, of: collection) {
        case .vector(let vector): return vector
        // As pgvector has it.
        case .value(.string(let text)):
            if let vector = OperandParser.vector(in: text) { return vector }
        default: break
        }
        throw failure(.typeMismatch, "expected a vector, such as [0.1, 0.2] or a parameter that is an array of numbers", at: operand.offset)
    }

    /// A value that needs no collection; `nil` for a vector.
    private func literal(_ operand: Operand) -> Value? {
        switch operand.content {
        case .value(let value): value
        case .parameter(let number): parameters[number - 1].value
        case .vector, .record, .image: nil
        }
    }

    /// A whole number, such as that of `LIMIT`.
    func integer(_ operand: Operand, _ what: String) throws(NeedletailError) -> Int {
        guard case .int(let value) = literal(operand) else { throw failure(.typeMismatch, "\(what) is a whole number", at: operand.offset) }
        return Int(value)
    }

    /// A number, such as that of `recall`.
    func number(_ operand: Operand, _ what: String) throws(NeedletailError) -> Double {
        guard let number = literal(operand)?.doubleValue else { throw failure(.typeMismatch, "\(what) is a number", at: operand.offset) }
        return number
    }

    /// A string or a word, such as that of `metric`.
    func word(_ operand: Operand, _ what: String) throws(NeedletailError) -> String {
        guard let word = literal(operand)?.stringValue else { throw failure(.typeMismatch, "\(what) is a word", at: operand.offset) }
        return word
    }

    /// True or false.
    func bool(_ operand: Operand, _ what: String) throws(NeedletailError) -> Bool {
        guard let bool = literal(operand)?.boolValue else { throw failure(.typeMismatch, "\(what) is TRUE or FALSE", at: operand.offset) }
        return bool
    }

    /// The id of a record.
    func id(_ operand: Operand) throws(NeedletailError) -> RecordID {
        switch literal(operand) {
        case .int(let id): return .int(id)
        case .string(let id): return .string(id)
        default: throw failure(.typeMismatch, "an id is a string or an integer", at: operand.offset)
        }
    }

    private func vector(ofRecord id: Operand, in collection: Collection) throws(NeedletailError) -> [Float] {
        let recordID = try self.id(id)
        guard let vector = try collection.vectors(of: [recordID])[0] else {
            throw failure(.recordNotFound, "collection '\(collection.name)' has no record \(recordID)", at: id.offset)
        }
        return vector
    }
}

// MARK: - Pictures

extension StatementRun {
    /// Asks for the vectors of the pictures that a search names, before it begins.
    mutating func resolveImages(of select: SelectStatement) async throws(NeedletailError) {
        var distances: [Distance] = []
        if case .distance(let distance) = select.order { distances.append(distance) }
        if let distance = select.condition?.radius?.distance { distances.append(distance) }
        let operands = distances.map(\.query)
        guard operands.contains(where: \.content.isImage) else { return }
        let collection = try collectionToRead(select.collection)
        for operand in operands { try await resolveImage(operand, of: collection) }
    }

    /// Asks for the vector of a picture, if the operand is one.
    mutating func resolveImage(_ operand: Operand, of collection: Collection) async throws(NeedletailError) {
        guard case .image(let argument) = operand.content else { return }
        let name = try word(argument, "the name of a picture")
        guard let resolve = options.resolveImage else {
            throw failure(
                .invalidArgument, "this program does not turn pictures into vectors: set QueryOptions.resolveImage, or give the vector itself",
                at: operand.offset)
        }
        try checkCancellation()
        do {
            images[operand.offset] = try await resolve(name, collection)
        } catch let error as NeedletailError {
            throw located(error, at: argument.offset)
        } catch is CancellationError {
            throw NeedletailError(.cancelled, "the statement was cancelled")
        } catch {
            throw failure(.invalidArgument, "image('\(name)') gives no vector: \(error)", at: argument.offset)
        }
    }
}

extension Term {
    var isImage: Bool {
        if case .image = self { true } else { false }
    }
}

extension Collection {
    /// The vectors of records; `nil` for an id that there is not.
    func vectors(of ids: [RecordID]) throws(NeedletailError) -> [[Float]?] {
        let table = try table()
        return try storage { () throws(StorageError) in
            var vectors: [[Float]?] = []
            vectors.reserveCapacity(ids.count)
            for id in ids { vectors.append(try table.slot(for: id.key).map { vector(at: $0, of: table) }) }
            return vectors
        }
    }
}
