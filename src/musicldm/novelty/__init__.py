"""Is it a copy?"""
