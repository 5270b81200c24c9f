namespace CdpFunctions;

/// <summary>A setting is missing or cannot be taken. The message is one sentence for whoever set it; a stack would not help them.</summary>
public sealed class SettingException(string message, Exception? inner = null) : Exception(message, inner);
