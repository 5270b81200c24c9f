namespace CdpFunctions.Local.Runtime;

/// <summary>The host cannot start. The message is one sentence for the person at the keyboard that says what to do.</summary>
public sealed class LocalHostException(string message, Exception? inner = null) : Exception(message, inner);
