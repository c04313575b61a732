/// placeholder
enum OptimizedRotation {
    static func train(_ sample: FloatMatrix, subspaces: Int, bits: Int, seed: UInt64, crew: TrainingCrew) throws(TrainingError) -> FloatMatrix {
        throw .invalid("a rotation is not available")
    }
}
