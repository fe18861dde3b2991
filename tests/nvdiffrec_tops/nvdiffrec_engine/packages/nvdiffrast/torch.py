class RasterizeCudaContext:
    def __init__(self, device=None):
        self.device = device
