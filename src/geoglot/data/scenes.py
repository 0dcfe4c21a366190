"""scene stub"""
