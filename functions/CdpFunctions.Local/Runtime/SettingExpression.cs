using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Local.Runtime;

/// <summary>Replaces <c>%Name%</c> by the setting of that name, as the host's name resolver does in triggers.</summary>
internal static partial class SettingExpression
{
    /// <exception cref="LocalHostException">A setting is missing or empty.</exception>
    public static string Resolve(string text, IConfiguration configuration, string functionName) =>
        Name().Replace(text, match =>
        {
            var name = match.Groups["name"].Value;
            var value = configuration[name.Replace("__", ":", StringComparison.Ordinal)];
            return string.IsNullOrEmpty(value)
                ? throw new LocalHostException($"The function {functionName} needs the setting '{name}': add it to the Values of local.settings.json or to the environment.")
                : value;
        });

    [GeneratedRegex("%(?<name>[^%]+)%", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Name();
}
