"""The servers under test, one module each: subclasses of ``base.Peer``, named by the measurements."""
