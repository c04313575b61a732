extension StatementRun {
    /// The index that `CREATE INDEX` asks for.
    func indexDescription(_ create: CreateIndexStatement, _ schema: Schema) throws(NeedletailError) -> IndexDescription {
        let method = create.method ?? Name("hnsw", at: create.collection.offset)
        switch method.content {
        case "hnsw": return try hnsw(create.settings, schema)
        case "ivfpq": return try ivfpq(create.settings, schema)
        default:
            let guess = TextDiagnostic.nearest(to: method.content, among: ["HNSW", "IVFPQ"]).map { "; did you mean \($0)?" }
            throw failure(.invalidArgument, "there is no index \(method)" + (guess ?? ": there are HNSW and IVFPQ"), at: method.offset)
        }
    }

    private func hnsw(_ settings: [Setting], _ schema: Schema) throws(NeedletailError) -> IndexDescription {
        var (m, efConstruction, quantization, seed) = (16, 200, Quantization.automatic, UInt64(0))
        var description = IndexDescription.hnsw(), culprit: Setting?
        for setting in settings {
            switch Self.folded(setting.name.content) {
            case "m": m = try integer(setting.value, "m")
            case "efconstruction": efConstruction = try integer(setting.value, "ef_construction")
            case "quantization": quantization = try choice(setting, "quantization")
            case "seed": seed = UInt64(bitPattern: Int64(try integer(setting.value, "the seed")))
            default: throw unknownSetting(setting, of: "an HNSW index", among: ["m", "ef_construction", "quantization", "seed"])
            }
            description = .hnsw(m: m, efConstruction: efConstruction, quantization: quantization, seed: seed)
            culprit = isPossible(description, schema) ? nil : culprit ?? setting
        }
        try pointing(at: culprit?.value.offset ?? 0) { () throws(NeedletailError) in try description.validate(dimension: schema.dimension) }
        return description
    }

    private func ivfpq(_ settings: [Setting], _ schema: Schema) throws(NeedletailError) -> IndexDescription {
        var nlist: Int?, subspaces: Int?, bits: Int?, bytesPerVector: Int?
        var (code, rotation, balanced, seed) = (ListCode.pq, false, false, UInt64(0))
        var description = IndexDescription.ivfpq(), culprit: Setting?
        for setting in settings {
            let value = setting.value
            switch Self.folded(setting.name.content) {
            case "nlist": nlist = try integer(value, "nlist")
            case "code": code = try choice(setting, "code")
            case "subspaces": subspaces = try integer(value, "the number of subspaces")
            case "bits": bits = try integer(value, "the number of bits")
            case "bytespervector": bytesPerVector = try integer(value, "bytes_per_vector")
            case "rotation": rotation = try bool(value, "rotation")
            case "balanced": balanced = try bool(value, "balanced")
            case "seed": seed = UInt64(bitPattern: Int64(try integer(value, "the seed")))
            default:
                throw unknownSetting(
                    setting, of: "an IVFPQ index", among: ["nlist", "code", "subspaces", "bits", "bytes_per_vector", "rotation", "balanced", "seed"])
            }
            description = .ivfpq(
                nlist: nlist, code: code, subspaces: subspaces, bits: bits, bytesPerVector: bytesPerVector, rotation: rotation, balanced: balanced,
                seed: seed)
            culprit = isPossible(description, schema) ? nil : culprit ?? setting
        }
        try pointing(at: culprit?.value.offset ?? 0) { () throws(NeedletailError) in try description.validate(dimension: schema.dimension) }
        return description
    }

    /// Whether an index is possible with the settings so far. The first that makes it impossible for good is the one to point at: what
    /// one setting rules out, a later one may allow.
    private func isPossible(_ description: IndexDescription, _ schema: Schema) -> Bool {
        do throws(NeedletailError) {
            try description.validate(dimension: schema.dimension)
            return true
        } catch {
            return false
        }
    }

    /// One of the words that a setting may have.
    private func choice<Choice: RawRepresentable & CaseIterable>(_ setting: Setting, _ what: String) throws(NeedletailError) -> Choice
    where Choice.RawValue == String {
        let word = try word(setting.value, "the \(what)")
        if let choice = Choice(rawValue: word.lowercased()) { return choice }
        throw failure(
            .invalidArgument, "there is no \(what) '\(word)': there are " + Choice.allCases.map(\.rawValue).joined(separator: ", "), at: setting.value.offset)
    }
}
