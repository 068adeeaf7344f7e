package main

func runFlood(o options) error { return nil }
