// NeedletailVision
