"""The words of the pages that describe weights: front matter, licences, recipes. Needs neither PyTorch nor a file."""
