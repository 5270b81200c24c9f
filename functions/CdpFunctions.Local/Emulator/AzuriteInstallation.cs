namespace CdpFunctions.Local.Emulator;

/// <summary>Azurite as this project's <c>package.json</c> and its lock file pin it; see <see cref="NpmInstallation"/>.</summary>
public static class AzuriteInstallation
{
    /// <returns>The path of Azurite's main script.</returns>
    /// <param name="say">Told in one line when there is something to wait for.</param>
    /// <exception cref="EmulatorException">Node or npm is missing or too old, or npm failed.</exception>
    public static async Task<string> EnsureAsync(Action<string> say, CancellationToken cancellation)
    {
        var modules = await new NpmInstallation(AppContext.BaseDirectory, "azurite", "the storage emulator Azurite").EnsureAsync(say, cancellation);
        return Path.Combine(modules, "azurite", "dist", "src", "azurite.js");
    }
}
