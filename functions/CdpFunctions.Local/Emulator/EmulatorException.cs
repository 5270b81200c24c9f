namespace CdpFunctions.Local.Emulator;

/// <summary>
/// The storage emulator, or another program from npm, can't be had. The message is one sentence that says what to do, meant to be
/// shown as it is.
/// </summary>
public sealed class EmulatorException(string message, Exception? inner = null) : Exception(message, inner);
