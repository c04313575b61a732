extension IVFPQOptions {
    /// Options for so many vectors of a dimension.
    ///
    /// Lists: about 1.5 √n of them, where comparing a query with all centroids and scanning the lists it visits cost alike.
    /// Codes of 4 bits, since they are scanned in registers; as many parts as the target allows, a part being at least two
    /// components, and four where there is no target.
    ///
    /// - Parameter bytesPerVector: what a row may take in the lists, its slot included.
    package static func chosen(count: Int, dimension: Int, bytesPerVector: Int? = nil) -> IVFPQOptions {
        let wanted = 1.5 * Double(max(count, 1)).squareRoot()
        var nlist = 1
        while Double(nlist) * 1.414 < wanted, nlist < IVFPQHeader.nlistLimit { nlist *= 2 }
        nlist = max(1, min(nlist, count / fewPointsPerList))

        var most = dimension / 4
        if let bytesPerVector { most = min((bytesPerVector - 5) * 2, dimension / 2) }
        most = max(1, min(most, IVFPQHeader.subspacesLimit))
        // The greatest number of parts that cuts the dimension without a part of zeros, an even one if there is.
        let fits = (1 ... most).reversed().filter { parts in
            let width = (dimension + parts - 1) / parts
            return (dimension + width - 1) / width == parts
        }
        let subspaces = fits.first { $0 % 2 == 0 } ?? fits.first ?? 1
        return IVFPQOptions(nlist: nlist, subspaces: subspaces)
    }
}
