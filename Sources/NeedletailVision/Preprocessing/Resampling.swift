/// The filter a picture is resized with. Both are antialiased (the support grows with the reduction) and give
/// the very bytes that Pillow gives, which timm's models were trained and measured on.
public enum Resampling: String, Sendable, Hashable, Codable, CaseIterable {
    /// A triangle, support 1.
    case bilinear
    /// Keys' cubic with a = −0.5, support 2.
    case bicubic
}
