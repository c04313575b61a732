/// Pictures in the form that DEC's VT340 drew and many terminals still draw: bands of six rows, one pass over a band a colour.
package enum Sixel {
    /// The escape sequence that draws `width × height` pixels, three bytes (R, G, B) each, row by row.
    package static func encode(width: Int, height: Int, pixels: [UInt8]) -> String {
        precondition(width > 0 && height > 0 && pixels.count == width * height * 3, "three bytes a pixel")
        let (palette, indices) = colours(width: width, height: height, pixels: pixels)
        var text = "\u{1B}Pq\"1;1;\(width);\(height)"
        for (number, colour) in palette.enumerated() {
            // Parts of a colour are percentages there.
            func percent(_ part: UInt8) -> Int { (Int(part) * 100 + 127) / 255 }
            text += "#\(number);2;\(percent(colour.x));\(percent(colour.y));\(percent(colour.z))"
        }
        for top in stride(from: 0, to: height, by: 6) {
            if top > 0 { text += "-" }
            text += band(indices, width: width, rows: top ..< min(top + 6, height))
        }
        return text + "\u{1B}\\"
    }

    private static func band(_ indices: [UInt8], width: Int, rows: Range<Int>) -> String {
        var columns: [UInt8: [UInt8]] = [:]
        for y in rows {
            for x in 0 ..< width {
                columns[indices[y * width + x], default: [UInt8](repeating: 0, count: width)][x] |= 1 << UInt8(y - rows.lowerBound)
            }
        }
        return columns.sorted { $0.key < $1.key }.map { "#\($0.key)" + runs($0.value) }.joined(separator: "$")
    }

    /// The columns of one colour: the character 63 + bits for each, those that repeat with their number. Empty ones at the end say nothing.
    private static func runs(_ columns: [UInt8]) -> String {
        var text: [UInt8] = []
        var x = 0
        let end = (columns.lastIndex { $0 != 0 } ?? -1) + 1
        while x < end {
            var count = 1
            while x + count < end, columns[x + count] == columns[x] { count += 1 }
            let sign = 63 + columns[x]
            if count > 3 { text += Array("!\(count)".utf8) + [sign] } else { text += [UInt8](repeating: sign, count: count) }
            x += count
        }
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: Colours

    /// At most 252 colours and which one each pixel has: the picture's own where they are few, else 6 × 7 × 6 levels, whose errors
    /// are spread over the neighbours (Floyd and Steinberg 1976).
    private static func colours(width: Int, height: Int, pixels: [UInt8]) -> (palette: [SIMD3<UInt8>], indices: [UInt8]) {
        if let few = ownColours(pixels) { return few }
        let levels = SIMD3<Float>(5, 6, 5)
        var palette: [SIMD3<UInt8>] = []
        for red in 0 ..< 6 {
            for green in 0 ..< 7 {
                for blue in 0 ..< 6 { palette.append(.init(UInt8(red * 51), UInt8((Double(green) * 42.5).rounded()), UInt8(blue * 51))) }
            }
        }
        var indices = [UInt8](repeating: 0, count: width * height)
        var errors = [SIMD3<Float>](repeating: .zero, count: width + 2)
        for y in 0 ..< height {
            var below = [SIMD3<Float>](repeating: .zero, count: width + 2)
            for x in 0 ..< width {
                let offset = (y * width + x) * 3
                let wanted = SIMD3<Float>(Float(pixels[offset]), Float(pixels[offset + 1]), Float(pixels[offset + 2])) + errors[x + 1]
                let level = (wanted.clamped(lowerBound: .zero, upperBound: .init(repeating: 255)) / 255 * levels).rounded(.toNearestOrAwayFromZero)
                indices[y * width + x] = UInt8(level.x * 42 + level.y * 6 + level.z)
                let error = wanted - level / levels * 255
                errors[x + 2] += error * (7 / 16)
                below[x] += error * (3 / 16)
                below[x + 1] += error * (5 / 16)
                below[x + 2] += error * (1 / 16)
            }
            errors = below
        }
        return (palette, indices)
    }

    private static func ownColours(_ pixels: [UInt8]) -> (palette: [SIMD3<UInt8>], indices: [UInt8])? {
        var palette: [SIMD3<UInt8>] = []
        var numbers: [SIMD3<UInt8>: UInt8] = [:]
        var indices: [UInt8] = []
        indices.reserveCapacity(pixels.count / 3)
        for offset in stride(from: 0, to: pixels.count, by: 3) {
            let colour = SIMD3(pixels[offset], pixels[offset + 1], pixels[offset + 2])
            if let number = numbers[colour] {
                indices.append(number)
            } else {
                guard palette.count < 252 else { return nil }
                let number = UInt8(palette.count)
                numbers[colour] = number
                palette.append(colour)
                indices.append(number)
            }
        }
        return (palette, indices)
    }
}
