"""Does a results folder hold what it claims: its files, its tables, its numbers?"""
