// NeedletailIndex
