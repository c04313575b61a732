import NeedletailStorage

extension ColumnSample {
    /// The share of rows whose value lies between two numbers, both included.
    func share(from low: Int64, to high: Int64) -> Selectivity {
        guard case .integers(let values) = values, low <= high else { return Selectivity(exactly: 0) }
        let passing = Self.count(values, from: low, to: high)
        let isByte = type == .bool
        return bounded(passing) { zone in
            let least = isByte ? Int64(zone.minimum) : Int64(bitPattern: zone.minimum)
            let greatest = isByte ? Int64(zone.maximum) : Int64(bitPattern: zone.maximum)
            return (low <= least && greatest <= high, least <= high && low <= greatest)
        }
    }

    func share(from low: Double, to high: Double) -> Selectivity {
        guard case .doubles(let values) = values, low <= high else { return Selectivity(exactly: 0) }
        return bounded(Self.count(values, from: low, to: high), containsAll: false) { zone in
            let least = Double(bitPattern: zone.minimum), greatest = Double(bitPattern: zone.maximum)
            return (false, least <= high && low <= greatest)
        }
    }

    /// The share of rows that have one of some codes; of lists, that contain one.
    func share(ofCodes wanted: some Sequence<UInt32>) -> Selectivity {
        guard case .codes(let counts) = values else { return Selectivity(exactly: 0) }
        var passing = 0, unseen = 0, count = 0
        for code in wanted {
            count += 1
            if let known = counts[code] { passing += known } else { unseen += 1 }
        }
        if count == 0 { return Selectivity(exactly: 0) }
        let known = bounded(passing) { _ in (false, true) }
        // What the sample has not met is rarer than one in it, and there are no more rows of it than of others of its kind.
        let rare = sampled == 0 ? 0 : min(0.5 / Double(sampled), 1 / Double(max(dictionaryCount, 1)))
        return Selectivity(minimum: known.minimum, expected: known.expected + Double(unseen) * rare, maximum: known.maximum)
    }

    /// The share of rows without a value.
    var nullShare: Selectivity { Selectivity(exactly: 1 - presentShare) }

    /// What a condition that is negated lets through: rows with a value that do not meet it.
    func negated(_ share: Selectivity) -> Selectivity {
        Selectivity(
            minimum: presentShare - share.maximum, expected: presentShare - share.expected, maximum: presentShare - share.minimum)
    }

    /// From a number of sampled rows that pass: within its error, and within what the zones tell.
    ///
    /// - Parameter test: Whether all of a zone's rows pass, and whether any may.
    private func bounded(_ passing: Int, containsAll: Bool = true, _ test: (Zone) -> (all: Bool, any: Bool)) -> Selectivity {
        var least = 0, most = 0
        for zone in zones {
            let (all, any) = test(zone)
            if all { least += zone.count }
            if any { most += zone.count }
        }
        let rows = Double(max(rowCount, 1))
        // Zones leave NaN out of their bounds, and lists have none.
        let known = Selectivity(
            minimum: containsAll ? Double(least) / rows : 0, expected: 0.5, maximum: zones.isEmpty ? presentShare : Double(most) / rows)
        return Selectivity.sampled(passing, of: sampled, within: known)
    }

    /// How many of ascending values lie between two, both included.
    private static func count<T: Comparable>(_ values: [T], from low: T, to high: T) -> Int {
        let first = position(values) { $0 < low }
        return position(values) { $0 <= high } - first
    }

    /// The first position that `isBefore` no longer holds for.
    private static func position<T>(_ values: [T], _ isBefore: (T) -> Bool) -> Int {
        var low = 0, high = values.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(values[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension TableStatistics {
    /// What a filter lets through, from what is known of its columns.
    func selectivity(of filter: BoundFilter, in table: TableSnapshot) throws(StorageError) -> Selectivity {
        try selectivity(of: filter.root, in: table)
    }

    /// The same, from trying the filter on the sample: for where the bounds leave open which plan is best.
    func sampledSelectivity(of program: FilterProgram, within known: Selectivity) -> Selectivity {
        let passing = sample.reduce(0) { $0 + (program.matches($1) ? 1 : 0) }
        return .sampled(passing, of: sample.count, within: known)
    }

    private func selectivity(of node: BoundFilter.Node, in table: TableSnapshot) throws(StorageError) -> Selectivity {
        switch node {
        case .condition(let condition): return try selectivity(of: condition, in: table)
        case .and(let terms):
            var parts: [Selectivity] = []
            for term in terms { parts.append(try selectivity(of: term, in: table)) }
            return .all(parts)
        case .or(let terms):
            var parts: [Selectivity] = []
            for term in terms { parts.append(try selectivity(of: term, in: table)) }
            return .any(parts)
        }
    }

    /// What one condition lets through.
    func selectivity(of condition: BoundFilter.Condition, in table: TableSnapshot) throws(StorageError) -> Selectivity {
        guard case .column(let position) = condition.subject else { return selectivity(ofID: condition) }
        let column = try column(position, in: table)
        let share: Selectivity
        switch condition.test {
        case .isNull:
            let nulls = column.nullShare
            return condition.isNegated ? Selectivity(exactly: 1 - nulls.expected) : nulls
        case .nothing: share = Selectivity(exactly: 0)
        case .isTrue: share = column.share(from: Int64(1), to: Int64(255))
        case .intRange(let low, let high): share = column.share(from: low, to: high)
        case .intSet(let members): share = .any(members.prefix(64).map { column.share(from: $0, to: $0) })
        case .doubleRange(let low, let high): share = column.share(from: low, to: high)
        case .doubleSet(let members): share = .any(members.prefix(64).map { column.share(from: $0, to: $0) })
        case .stringSet(let strings):
            var codes: [UInt32] = []
            for string in strings {
                if let code = try table.dictionaryCode(column: position, for: string) { codes.append(code) }
            }
            share = column.share(ofCodes: codes)
        case .stringRange(let lower, let upper):
            share = column.share(ofCodes: try table.codes(ofColumn: position, from: lower, to: upper))
        case .stringPrefix(let prefix): share = column.share(ofCodes: try table.dictionaryCodes(column: position, prefix: prefix))
        case .listContains(let string):
            let code = try table.dictionaryCode(column: position, for: string)
            share = column.share(ofCodes: code.map { [$0] } ?? [])
        }
        return condition.isNegated ? column.negated(share) : share
    }

    /// Ids are all different.
    private func selectivity(ofID condition: BoundFilter.Condition) -> Selectivity {
        let one = 1 / Double(max(liveCount, 1))
        let count: Int
        switch condition.test {
        case .nothing, .isNull: count = 0
        case .intSet(let members): count = members.count
        case .stringSet(let members): count = members.count
        case .intRange(let low, let high) where high >= low && UInt64(bitPattern: high &- low) < 64: count = Int(high - low) + 1
        default: return .unknown
        }
        let share = Selectivity(minimum: 0, expected: Double(count) * one, maximum: Double(count) * one)
        guard condition.isNegated else { return share }
        return Selectivity(minimum: 1 - share.maximum, expected: 1 - share.expected, maximum: 1)
    }
}
