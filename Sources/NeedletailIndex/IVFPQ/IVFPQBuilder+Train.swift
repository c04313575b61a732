import CNeedletailKernels

extension IVFPQBuilder {
    func train() throws(TrainingError) -> (model: IVFPQModel, warnings: [String]) {
        var header = IVFPQHeader(
            metric: source.metric, element: source.element, dimension: source.dimension, nlist: options.nlist,
            code: options.code, subspaces: options.subspaces, isRotated: options.rotates, seed: options.seed)
        var random = SplitMix64(seed: options.seed)
        var wanted = options.nlist * options.pointsPerList
        if case .pq(let bits) = options.code { wanted = max(wanted, ProductQuantizer.sampleCount(bits: bits)) }
        let slots = source.sample(wanted, from: 0 ..< source.vectors.count, random: &random)
        guard slots.count >= options.nlist else { throw .tooManyClusters(clusters: options.nlist, vectors: slots.count) }
        var warnings: [String] = []
        if slots.count < options.nlist * IVFPQOptions.fewPointsPerList {
            let fitting = max(1, slots.count / IVFPQOptions.fewPointsPerList)
            warnings.append("\(slots.count) vectors are few to train \(options.nlist) lists on; \(fitting) lists or fewer would fit better")
        }
        if case .pq(let bits) = options.code, slots.count < 16 << bits {
            warnings.append("\(slots.count) vectors are few to train codes of \(bits) bits on")
        }
        header.trainedCount = source.vectors.count
        header.sampleCount = slots.count

        var (transform, sample) = try load(slots, padded: header.paddedDimension)
        if options.rotates {
            let rotation = try OptimizedRotation.train(sample, subspaces: options.subspaces, bits: options.bits, seed: options.seed, crew: crew)
            transform = IVFPQTransform(metric: source.metric, dimension: source.dimension, mean: transform.mean, rotation: rotation)
            try rotate(sample, transform)
        } else if let rotation = header.randomRotation {
            transform = IVFPQTransform(
                metric: source.metric, dimension: source.dimension, mean: transform.mean, rotation: nil, randomRotation: rotation)
            try rotate(sample, transform)
        }

        var clustering = KMeans.Options(clusters: options.nlist)
        clustering.isBalanced = options.isBalanced
        clustering.seed = random.next()
        // k-means++ pays where clusters are few; for many, random points are as good after the iterations.
        clustering.start = options.nlist <= 64 ? .plusPlus : .random
        let clusters = try KMeans(clustering, crew: crew).train(sample)

        let quantizer: ProductQuantizer
        switch options.code {
        case .pq: quantizer = try codebooks(sample, clusters.centroids)
        case .rabitq(let bits): quantizer = ProductQuantizer(grid: bits, dimension: header.paddedDimension)
        }
        crew.report("codebooks", 1)
        if let closeness = options.closeness {
            header.closeness = closeness
        } else {
            header.closeness = try closeness(sample)
        }
        let model = IVFPQModel(
            header: header, transform: transform, centroids: clusters.centroids, quantizer: quantizer)
        return (model, warnings)
    }

    /// The vectors of the sample less their mean, and the transform with that mean.
    private func load(_ slots: [UInt32], padded: Int) throws(TrainingError) -> (IVFPQTransform, FloatMatrix) {
        let sample = FloatMatrix(rows: slots.count, columns: padded)
        let unmoved = IVFPQTransform(
            metric: source.metric, dimension: source.dimension, mean: FloatMatrix(rows: 1, columns: padded), rotation: nil)
        let failed = FirstFailure()
        try crew.forEach(slots.count, piece: 1024, phase: "sample") { _, range in
            for row in range where !source.place(Int(slots[row]), unmoved, to: sample[row]) { failed.record(slots[row]) }
        }
        if let slot = failed.slot { throw .notFinite(slot: slot) }
        let mean = FloatMatrix(rows: 1, columns: padded)
        var sums = [Double](repeating: 0, count: padded)
        for row in 0 ..< sample.rows {
            let vector = sample[row]
            for i in 0 ..< padded { sums[i] += Double(vector[i]) }
        }
        for i in 0 ..< padded { mean.base[i] = Float(sums[i] / Double(max(sample.rows, 1))) }
        try crew.forEach(sample.rows, piece: 1024) { _, range in
            for row in range {
                let vector = sample[row]
                for i in 0 ..< padded { vector[i] -= mean.base[i] }
            }
        }
        return (IVFPQTransform(metric: source.metric, dimension: source.dimension, mean: mean, rotation: nil), sample)
    }

    private func rotate(_ sample: FloatMatrix, _ transform: IVFPQTransform) throws(TrainingError) {
        let piece = 256
        let scratches = FloatMatrix(rows: crew.threads, columns: piece * sample.columns)
        try crew.forEach(sample.rows, piece: piece) { worker, range in
            transform.rotate(sample[range.lowerBound], count: range.count, scratch: scratches[worker])
        }
    }

    private func codebooks(_ sample: FloatMatrix, _ centroids: FloatMatrix) throws(TrainingError) -> ProductQuantizer {
        let count = min(sample.rows, ProductQuantizer.sampleCount(bits: options.bits))
        let residuals = FloatMatrix(rows: count, columns: sample.columns)
        let table = CentroidTable(centroids.base, count: centroids.rows, dimension: centroids.columns)
        let scratches = FloatMatrix(rows: crew.threads, columns: table.scratchCount)
        let piece = 384
        try crew.forEach(count, piece: piece) { worker, range in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: piece) { labels in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: piece) { distances in
                    guard let labels = labels.baseAddress, let distances = distances.baseAddress else { return }
                    table.assign(
                        sample[range.lowerBound], stride: sample.columns, rowCount: range.count, labels: labels, distances: distances,
                        scratch: scratches[worker])
                    for row in range {
                        let centroid = centroids[Int(labels[row - range.lowerBound])]
                        for i in 0 ..< sample.columns { residuals[row][i] = sample[row][i] - centroid[i] }
                    }
                }
            }
        }
        return try ProductQuantizer.train(residuals, subspaces: options.subspaces, bits: options.bits, crew: crew)
    }
}
