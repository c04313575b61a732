import CNeedletailKernels

/// Lloyd's algorithm with the assignment as a matrix product.
///
/// Early iterations, in which centroids still move far, see a part of the sample only: a quarter of the points moves them as well.
/// The result depends on sample, options and seed, not on the number of threads: each centroid sums its points in their order.
package struct KMeans {
    /// How the first centroids are chosen.
    package enum Start: Sendable {
        /// Random points of the sample.
        case random
        /// k-means++ (Arthur and Vassilvitskii, 2007): each next one far from those before, with probability ∝ squared distance.
        /// Better for few clusters; costs as much as an iteration or two.
        case plusPlus
    }

    package struct Options: Sendable {
        /// How many clusters, at least 1.
        package var clusters: Int
        package var iterations = 10
        package var start = Start.random
        /// Whether clusters far smaller than the mean are given up and the greatest split instead, not only empty ones: lists of
        /// like length make search times alike, at some cost in error.
        package var isBalanced = false
        package var seed: UInt64 = 1

        package init(clusters: Int) { self.clusters = clusters }
    }

    /// What training found.
    struct Result {
        let centroids: FloatMatrix
        /// The mean squared distance of a point of the sample from its centroid.
        let error: Double
    }

    let options: Options
    let crew: TrainingCrew

    /// Points of which a centroid is made in early iterations.
    private static let earlyPoints = 32
    /// Iterations at the end that see the whole sample.
    private static let fullIterations = 4
    private static let pieceRows = 48 * 8

    init(_ options: Options, crew: TrainingCrew) {
        self.options = options
        self.crew = crew
    }

    /// - Parameter sample: points in random order.
    /// - Throws: `tooManyClusters` where there are fewer points than clusters, `cancelled`.
    func train(_ sample: FloatMatrix, phase: String = "clustering") throws(TrainingError) -> Result {
        let clusters = options.clusters
        guard clusters >= 1, options.iterations >= 1 else { throw .invalid("at least one cluster and one iteration are needed") }
        guard sample.rows >= clusters else { throw .tooManyClusters(clusters: clusters, vectors: sample.rows) }
        let centroids = FloatMatrix(rows: clusters, columns: sample.columns)
        try start(centroids, sample)
        var state = State(points: sample.rows, clusters: clusters)
        defer { state.deallocate() }
        var error = 0.0
        for iteration in 0 ..< options.iterations {
            let isEarly = iteration < options.iterations - Self.fullIterations
            let points = isEarly ? min(sample.rows, max(clusters * Self.earlyPoints, sample.rows / 8)) : sample.rows
            error = try assign(sample, points, centroids, &state)
            try update(centroids, sample, points, state)
            let isLast = iteration == options.iterations - 1
            repair(centroids, state, mean: Double(points) / Double(clusters), isLast: isLast)
            crew.report(phase, Double(iteration + 1) / Double(options.iterations))
        }
        return Result(centroids: centroids, error: error)
    }

    /// Assignments of the points, and per cluster its points (a counting sort) and error.
    private struct State {
        let labels: UnsafeMutablePointer<UInt32>
        let distances: UnsafeMutablePointer<Float>
        let members: UnsafeMutablePointer<UInt32>
        /// Members of cluster c stand from `starts[c]` to `starts[c + 1]`.
        let starts: UnsafeMutablePointer<Int>
        let errors: UnsafeMutablePointer<Double>
        let clusters: Int

        init(points: Int, clusters: Int) {
            self.clusters = clusters
            labels = .allocate(capacity: points)
            distances = .allocate(capacity: points)
            members = .allocate(capacity: points)
            starts = .allocate(capacity: clusters + 2)
            errors = .allocate(capacity: clusters)
            labels.initialize(repeating: 0, count: points)
            distances.initialize(repeating: 0, count: points)
            members.initialize(repeating: 0, count: points)
            starts.initialize(repeating: 0, count: clusters + 2)
            errors.initialize(repeating: 0, count: clusters)
        }

        func size(_ cluster: Int) -> Int { starts[cluster + 1] - starts[cluster] }

        func deallocate() {
            labels.deallocate()
            distances.deallocate()
            members.deallocate()
            starts.deallocate()
            errors.deallocate()
        }
    }

    /// Assigns the first `points` of the sample. Returns the mean squared distance.
    private func assign(_ sample: FloatMatrix, _ points: Int, _ centroids: FloatMatrix, _ state: inout State) throws(TrainingError) -> Double {
        let table = CentroidTable(centroids.base, count: centroids.rows, dimension: centroids.columns)
        let scratches = FloatMatrix(rows: crew.threads, columns: table.scratchCount)
        let (labels, distances) = (state.labels, state.distances)
        try crew.forEach(points, piece: Self.pieceRows) { worker, range in
            table.assign(
                sample[range.lowerBound], stride: sample.columns, rowCount: range.count, labels: labels + range.lowerBound,
                distances: distances + range.lowerBound, scratch: scratches[worker])
            for point in range { distances[point] = max(0, distances[point] + Float(nt_sqnorm_f32(sample[point], sample.columns))) }
        }
        let starts = state.starts
        starts.update(repeating: 0, count: state.clusters + 2)
        state.errors.update(repeating: 0, count: state.clusters)
        var total = 0.0
        for point in 0 ..< points {
            let label = Int(labels[point])
            starts[label + 2] += 1
            state.errors[label] += Double(distances[point])
            total += Double(distances[point])
        }
        for cluster in 0 ..< state.clusters { starts[cluster + 2] += starts[cluster + 1] }
        for point in 0 ..< points {
            let label = Int(labels[point])
            state.members[starts[label + 1]] = UInt32(point)
            starts[label + 1] += 1
        }
        return total / Double(max(points, 1))
    }

    /// Moves each centroid to the mean of its points; one without points stays.
    private func update(_ centroids: FloatMatrix, _ sample: FloatMatrix, _ points: Int, _ state: State) throws(TrainingError) {
        let (members, starts) = (state.members, state.starts)
        try crew.forEach(centroids.rows, piece: max(1, centroids.rows / 64)) { _, range in
            for cluster in range where state.size(cluster) > 0 {
                let centroid = centroids[cluster]
                centroid.update(repeating: 0, count: centroids.columns)
                for position in starts[cluster] ..< starts[cluster + 1] {
                    let point = sample[Int(members[position])]
                    for i in 0 ..< centroids.columns { centroid[i] += point[i] }
                }
                let scale = 1 / Float(state.size(cluster))
                for i in 0 ..< centroids.columns { centroid[i] *= scale }
            }
        }
    }

    /// Gives clusters without points (under `isBalanced`, with far too few) half of those that have the greatest error: the
    /// two centroids are the old one, moved a little this way and that.
    private func repair(_ centroids: FloatMatrix, _ state: State, mean: Double, isLast: Bool) {
        // What is split in the last iteration could not settle any more.
        let least = options.isBalanced && !isLast ? max(1, Int(mean / 4)) : 1
        let poor = (0 ..< centroids.rows).filter { state.size($0) < least }
        if poor.isEmpty { return }
        let weights = (0 ..< centroids.rows).map { options.isBalanced ? Double(state.size($0)) : state.errors[$0] }
        let rich = (0 ..< centroids.rows).filter { state.size($0) > max(1, least) }
            .sorted { weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1 }
        for (cluster, donor) in zip(poor, rich) {
            let spread = Float((state.errors[donor] / Double(state.size(donor) * centroids.columns)).squareRoot()) / 16
            for i in 0 ..< centroids.columns {
                let value = centroids[donor][i], shift = i % 2 == 0 ? spread : -spread
                centroids[cluster][i] = value + shift
                centroids[donor][i] = value - shift
            }
        }
    }

    private func start(_ centroids: FloatMatrix, _ sample: FloatMatrix) throws(TrainingError) {
        switch options.start {
        case .random:
            // The sample is in random order.
            for cluster in 0 ..< centroids.rows { centroids.copyRow(cluster, from: sample[cluster]) }
        case .plusPlus:
            try startFarApart(centroids, sample)
        }
    }

    private func startFarApart(_ centroids: FloatMatrix, _ sample: FloatMatrix) throws(TrainingError) {
        var random = SplitMix64(seed: options.seed)
        let points = min(sample.rows, max(centroids.rows * Self.earlyPoints, 4096))
        let nearest = UnsafeMutablePointer<Float>.allocate(capacity: points)
        defer { nearest.deallocate() }
        nearest.initialize(repeating: .infinity, count: points)
        let distance = nt_distance_for(NT_METRIC_L2, NT_ELEMENT_F32).pointee
        centroids.copyRow(0, from: sample[Int(random.next() % UInt64(points))])
        for cluster in 1 ..< max(centroids.rows, 1) {
            let newest = centroids[cluster - 1]
            try crew.forEach(points, piece: 4096) { _, range in
                var query = nt_query(vector: UnsafeRawPointer(newest), dimension: sample.columns, inverse_norm: 0)
                for point in range { nearest[point] = min(nearest[point], distance.one(&query, sample[point], 0)) }
            }
            var total = 0.0
            for point in 0 ..< points { total += Double(nearest[point]) }
            var left = random.fraction() * total
            var chosen = points - 1
            for point in 0 ..< points {
                left -= Double(nearest[point])
                if left <= 0, nearest[point] > 0 {
                    chosen = point
                    break
                }
            }
            centroids.copyRow(cluster, from: sample[chosen])
        }
    }
}
