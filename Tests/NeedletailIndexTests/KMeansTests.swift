import NeedletailIndex
import NeedletailTestSupport
import Testing

/// k-means through what is built with it: its parts are internal to the module.
@Suite("KMeans")
struct KMeansTests {
    @Test("balanced lists are of more like length", arguments: [false, true])
    func balance(isBalanced: Bool) throws {
        var random = SeededGenerator(seed: 11)
        // One heap in ten has most of the vectors.
        let table = VectorTable(metric: .l2, element: .f32, dimension: 6, count: 8000) { slot in
            Float(slot % 100 < 90 ? 0 : slot % 10 * 40) + random.normal()
        }
        var options = IVFPQOptions(nlist: 64, subspaces: 3)
        options.isBalanced = isBalanced
        let index = try IVFPQBuilder(table.source(), options: options).build().index(vectors: table.vectors)
        let sizes = index.listSizes
        let imbalance = sizes.reduce(0.0) { $0 + Double($1 * $1) } * 64 / (8000 * 8000)
        print("imbalance \(imbalance), balanced \(isBalanced)")
        #expect(sizes.reduce(0, +) == 8000)
        #expect(imbalance < (isBalanced ? 1.6 : 4))
    }

    @Test("clusters that are far apart are each found")
    func separated() throws {
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("KMeansTests seed \(random.seed)")
        let table = VectorTable(metric: .l2, element: .f32, dimension: 5, count: 1200) { Float($0 % 12 * 1000) + random.normal() }
        let build = try IVFPQBuilder(table.source(), options: IVFPQOptions(nlist: 12, subspaces: 5)).build()
        // A mean squared distance of one per component: no list has two clusters.
        #expect(build.header.trainingError < 10, "\(build.header.trainingError)")
    }
}
