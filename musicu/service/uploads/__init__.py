"""Files that are uploaded: kept, analyzed, added to the catalog."""
