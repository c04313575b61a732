import NeedletailVision
import Testing

/// Position embeddings fitted to other grids, against PyTorch's antialiased bicubic interpolation.
@Suite struct PositionEmbeddingTests {
    @Test("the same grid is left as it is")
    func same() {
        let positions = (0 ..< 4 * 4 * 3).map { Float($0) }
        #expect(PositionEmbedding.resampled(positions, side: 4, width: 3, toHeight: 4, width: 4) == positions)
    }

    @Test("a constant stays constant, and a smooth slope stays one inside", arguments: [(7, 5), (16, 16), (3, 20)])
    func constant(_ size: (Int, Int)) {
        let result = PositionEmbedding.resampled([Float](repeating: 2.5, count: 10 * 10 * 2), side: 10, width: 2, toHeight: size.0, width: size.1)
        #expect(result.count == size.0 * size.1 * 2)
        #expect(result.allSatisfy { abs($0 - 2.5) < 1e-6 })
    }

    @Test("other grids get what Pillow's bicubic filter gives, which is PyTorch's antialiased one")
    func values() {
        let positions = (0 ..< 25).map { i -> Float in
            let x = i % 5, y = i / 5
            let value: Int = x * x * 3 + y * 7 + x * y * 5
            return Float(value % 23)
        }
        let smaller: [Float] = [
            3.4468, 8.9207, 5.8609, 3.1721, 14.1298, 7.7887, 2.5499, 8.3449, 11.39, 11.941, 5.2936, 12.8233,
        ]
        let larger: [Float] = [
            -0.5078, 1.011, 9.0911, 9.8911, 2.9814, 1.6824, 3.1933, 8.9941, 10.3448, 6.7244, 3.2297, 3.9895,
            8.8574, 12.6432, 7.5406, 2.3782, 3.6328, 7.3063, 14.3691, 6.4885, 0.9375, 0.1042, 3.9084, 10.2953,
            20.9384, 15.1783, 13.8001, 7.8297, 3.0323, 13.2843, 14.5093, 12.2558, 15.0245, 9.0075, 2.9019, 16.6011,
            4.0572, 3.8625, 8.9305, 5.9252, 3.2552, 18.9082,
        ]
        for (expected, height, width) in [(smaller, 3, 4), (larger, 7, 6)] {
            let actual = PositionEmbedding.resampled(positions, side: 5, width: 1, toHeight: height, width: width)
            #expect(actual.count == expected.count)
            #expect(zip(actual, expected).allSatisfy { abs($0 - $1) < 2e-4 }, "\(actual)")
        }
    }
}
