"""Picture files before anything decodes them: which are there, what their headers say, and
Radiance panoramas. Runs under any Python from 3.9 on; nothing here needs PyTorch."""
