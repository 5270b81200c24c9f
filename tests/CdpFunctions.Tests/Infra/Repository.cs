using System.Runtime.CompilerServices;

namespace CdpFunctions.Tests.Infra;

/// <summary>The files that these tests were compiled from, and those beside them.</summary>
internal static class Repository
{
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root(), path));

    private static string Root([CallerFilePath] string thisFile = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "../../.."));
}
