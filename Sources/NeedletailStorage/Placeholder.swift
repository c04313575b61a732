// NeedletailStorage
