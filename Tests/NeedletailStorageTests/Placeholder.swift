// NeedletailStorageTests
