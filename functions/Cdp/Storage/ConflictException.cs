namespace Cdp.Storage;

/// <summary>Others changed the same rows again and again. The message is tried again later.</summary>
public sealed class ConflictException(string message) : Exception(message);
